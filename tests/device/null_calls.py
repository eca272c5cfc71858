#!/usr/bin/env python3
"""null_calls.py LIBRARY HEADERS...: calls every public function with NULL for all pointers, and then with NULL for one
pointer at a time beside objects that are real. None may end the process; each that returns a status has to return a
failure with a message in the first pass, unless it is listed below. Every call runs in a process of its own."""
import ctypes, os, re, signal, sys

BYTES = 1 << 14 # room for any descriptor or result
# Status functions for which NULL is a documented value: a default device, no subset, nothing to do.
OK_WITH_NULL = {'lcl_context_create'}
WORDS = {'int': 4, 'int32_t': 4, 'uint32_t': 4, 'unsigned': 4, 'bool': 1, 'int64_t': 8, 'uint64_t': 8, 'size_t': 8,
         'lcl_dtype': 4}

def declarations(paths):
    for path in paths:
        text = re.sub(r'/\*.*?\*/|//[^\n]*', '', open(path).read(), flags=re.S)
        for result, name, parameters in re.findall(r'LCL_API\s+([\w\s]+?[\s*]+)(\w+)\(([^;]*?)\)\s*;', text):
            parameters = [] if parameters.strip() == 'void' else split(parameters)
            yield result.strip(), name, [' '.join(p.split()) for p in parameters]

def split(text):
    parts, depth = [''], 0
    for c in text:
        depth += (c == '(') - (c == ')')
        if c == ',' and depth == 0:
            parts.append('')
        else:
            parts[-1] += c
    return parts

def is_pointer(parameter):
    return '*' in parameter or '[' in parameter or parameter.split()[-2].endswith(('_fn', 'callback'))

# A callback that gives back its first tensor, for the parameters that are one.
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(lambda user, x, y: x)

class Shape(ctypes.Structure):
    _fields_ = [('rank', ctypes.c_int), ('dim', ctypes.c_int64 * 6)]
class Init(ctypes.Structure):
    _fields_ = [('kind', ctypes.c_int), ('value', ctypes.c_float), ('scale', ctypes.c_float),
                ('fan_in', ctypes.c_int64), ('fan_out', ctypes.c_int64)]
class Large(ctypes.Structure): # any structure of more than 16 bytes travels the same way when it is all zeros
    _fields_ = [('word', ctypes.c_int64 * 64)]
STRUCTURES = {'lcl_shape': Shape, 'lcl_init': Init}

def argument(parameter, pointer):
    kind = re.sub(r'\b(const|enum|struct)\b', '', parameter).split()[0]
    if is_pointer(parameter):
        return ctypes.c_void_p(pointer(parameter))
    if kind in ('float', 'double'):
        return {'float': ctypes.c_float, 'double': ctypes.c_double}[kind](0)
    if kind in STRUCTURES:
        return STRUCTURES[kind]()
    if kind in WORDS or kind.endswith(('_kind', '_mode', '_code', '_level', '_type', '_status', '_dtype')):
        return ctypes.c_int64(0)
    return Large()

def call(library, declaration, pointer):
    result, name, parameters = declaration
    f = getattr(library, name)
    f.argtypes = None
    f.restype = ctypes.c_int if result == 'lcl_status' else ctypes.c_void_p if '*' in result else \
        None if result == 'void' else ctypes.c_int64 if result in WORDS else ctypes.c_double if result == 'double' else \
        ctypes.c_float if result == 'float' else Large
    return f(*[argument(p, pointer) for p in parameters])

def in_child(work):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os._exit(work() or 0)
    _, status = os.waitpid(pid, 0)
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

def all_null(library, declaration):
    status = call(library, declaration, lambda parameter: None)
    if declaration[0] == 'lcl_status' and any(map(is_pointer, declaration[2])) and declaration[1] not in OK_WITH_NULL:
        return 1 if status == 0 or not library.lcl_error_message() else 0
    return 0

def real_objects(library):
    """One of each kind that can be made without arguments of its own; unnamed kinds are zeroed memory."""
    handle = lambda: ctypes.c_void_p()
    ctx, store, graph, buf = handle(), handle(), handle(), handle()
    shape = Shape(2, (ctypes.c_int64 * 6)(4, 4))
    library.lcl_input.restype = ctypes.c_void_p
    if library.lcl_context_create(None, ctypes.byref(ctx)) or library.lcl_store_create(ctx, 1, ctypes.byref(store)) or \
            library.lcl_graph_create(store, b'null', ctypes.byref(graph)) or \
            library.lcl_buffer_create(ctx, ctypes.c_size_t(64), ctypes.byref(buf)):
        sys.exit(library.lcl_error_message().decode())
    tensor = library.lcl_input(graph, b'input', 0, shape)
    return {'lcl_context': ctx.value, 'lcl_store': store.value, 'lcl_graph': graph.value, 'lcl_buffer': buf.value,
            'lcl_tensor': tensor}

def one_null(library, declaration, missing, objects, zeros, text):
    seen = [-1]
    def pointer(parameter):
        seen[0] += 1
        if seen[0] == missing:
            return None
        kind = re.sub(r'\b(const|enum|struct)\b', '', parameter).split()[0].rstrip('*')
        if kind.endswith('_fn'):
            return ctypes.cast(CALLBACK, ctypes.c_void_p).value
        stars = parameter.count('*') + parameter.count('[')
        if stars == 1 and kind in objects:
            return objects[kind]
        return text if kind == 'char' and stars == 1 else zeros
    call(library, declaration, pointer)
    return 0

def main():
    library = ctypes.CDLL(sys.argv[1])
    library.lcl_error_message.restype = ctypes.c_char_p
    found = list(declarations(sys.argv[2:]))
    if len(found) < 270:
        sys.exit(f'only {len(found)} declarations were read')
    failures, calls = [], 0
    for d in found:
        got, calls = in_child(lambda: all_null(library, d)), calls + 1
        if got:
            failures.append(f'{d[1]}: ' + (signal.Signals(-got).name if got < 0 else 'success, or no message'))
    objects = real_objects(library)
    memory, text = ctypes.create_string_buffer(BYTES), ctypes.create_string_buffer(b'text')
    room = [ctypes.addressof(memory), ctypes.addressof(text)]
    for d in found:
        pointers = [p for p in d[2] if is_pointer(p)]
        if len(pointers) < 2 or not any(k + ' ' in p or k + '*' in p for k in objects for p in pointers):
            continue
        for missing, parameter in enumerate(pointers):
            got, calls = in_child(lambda: one_null(library, d, missing, objects, *room)), calls + 1
            if got < 0:
                failures.append(f'{d[1]} without {parameter}: {signal.Signals(-got).name}')
    print('\n'.join(failures))
    print(f'{calls} calls of {len(found)} functions, {len(failures)} failures')
    sys.exit(bool(failures) or calls < 400)

main()
