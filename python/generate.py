#!/usr/bin/env python3
"""Makes the Python package's declarations from the C headers, so that the two cannot differ.

Usage: generate.py api|ops OUTPUT HEADER...

api: _api.py, every structure, enumeration and function for ctypes; ops: ops.py, a typed function with the header's words
for everything in ops.h and nn.h. A declaration that is not understood is an error, not left out."""
import keyword
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

SCALARS = {"int": "c_int", "unsigned": "c_uint", "int32_t": "c_int32", "uint32_t": "c_uint32", "int64_t": "c_int64",
           "uint64_t": "c_uint64", "uint8_t": "c_uint8", "size_t": "c_size_t", "bool": "c_bool", "float": "c_float",
           "double": "c_double", "char": "c_char", "long": "c_long"}


@dataclass
class Variable:
    """A parameter or a field: its type without const and stars, how many stars, the length of an array."""
    name: str
    base: str
    stars: int = 0
    length: str = ""
    constant: bool = False
    callback: str = ""  # the ctypes prototype of a pointer to a function
    doc: str = ""


@dataclass
class Function:
    name: str
    result: Variable
    parameters: list
    variadic: bool
    doc: str
    header: str


@dataclass
class Headers:
    constants: dict = field(default_factory=dict)
    enums: dict = field(default_factory=dict)      # name -> {member: value}
    opaque: list = field(default_factory=list)
    callbacks: dict = field(default_factory=dict)  # name -> ctypes prototype
    structures: dict = field(default_factory=dict)  # name -> fields, in an order in which each knows those before
    functions: list = field(default_factory=list)
    member_docs: dict = field(default_factory=dict)  # of enumerations


def blank_comments(text):
    """The same length without comments and preprocessor lines."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    text = re.sub(r"/\*.*?\*/", blank, text, flags=re.S)
    return re.sub(r"^\s*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.M)


def clean(comment):
    text = re.sub(r"^\s*\*? ?", "", comment, flags=re.M)
    return re.sub(r"#(LCL_\w+|lcl_\w+)", r"\1", text).strip()


def split(text):
    """At commas that are in no bracket."""
    parts, depth = [""], 0
    for c in text:
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [" ".join(p.split()) for p in parts if p.strip()]


def prototype(headers, result, parameters):
    kinds = [ctype(headers, variable(headers, p), True) for p in split(parameters) if p != "void"]
    result = ctype(headers, variable(headers, result + " result"), True)
    return f"CFUNCTYPE({', '.join([result, *kinds])})"


def variable(headers, text):
    text = " ".join(text.split())
    pointer = re.fullmatch(r"(.*?)\(\*(\w+)\)\((.*)\)", text)
    if pointer:
        return Variable(pointer[2], "", 1, callback=prototype(headers, pointer[1], pointer[3]))
    match = re.fullmatch(r"(const )?(?:struct )?(\w+)\s*((?:\*|const|\s)*)(\w+)((?:\[\w*\])?)", text)
    if not match:
        raise SystemExit(f"generate.py does not understand '{text}'")
    return Variable(match[4], match[2], match[3].count("*"), match[5].strip("[]"), bool(match[1]))


def ctype(headers, v, as_argument):
    """The ctypes name of a type; arrays are pointers when they are arguments."""
    if v.callback:
        return v.callback
    if v.stars or (as_argument and v.length):
        return "c_char_p" if v.base == "char" and v.stars == 1 and v.constant else "c_void_p"
    if v.base == "void":
        return "None"
    if v.base in headers.enums:
        kind = "c_int"
    elif v.base in headers.structures or v.base in headers.callbacks:
        kind = v.base
    elif v.base in SCALARS:
        kind = SCALARS[v.base]
    else:
        raise SystemExit(f"generate.py does not know the type '{v.base}' of '{v.name}'")
    if not v.length:
        return kind
    members = {name: value for values in headers.enums.values() for name, value in values.items()}
    return f"{kind} * {int({**headers.constants, **members}.get(v.length, v.length))}"


def fields(headers, body):
    """The fields of a structure with their comments, which stand before (/**) or behind (/**<)."""
    found, before = [], ""
    for comment, behind, text, declaration in re.findall(r"(/\*\*(<?)(.*?)\*/)|([^;/]+);", body, re.S):
        if declaration.strip():
            found.append(variable(headers, declaration))
            found[-1].doc, before = before, ""
        elif behind:
            found[-1].doc = clean(text)
        elif comment:
            before = clean(text)
    return found


def members(body):
    names, value = {}, -1
    for entry in split(body):
        name, _, given = (part.strip() for part in entry.partition("="))
        value = int(given, 0) if given else value + 1
        names[name] = value
    return names


def in_order(paths):
    """Each header after those that it includes."""
    texts = {Path(p).name: p for p in paths}
    ordered = []

    def visit(name):
        for other in re.findall(r'#include "latentcl/(\w+\.h)"', Path(texts[name]).read_text()):
            if other in texts:
                visit(other)
        if texts[name] not in ordered:
            ordered.append(texts[name])
    for name in texts:
        visit(name)
    return ordered


def read(paths):
    headers = Headers()
    for path in in_order(paths):
        text = Path(path).read_text()
        code = blank_comments(text)
        for name, value in re.findall(r"^#define (LCL_\w+)\s+(0x[\da-f]+u?|\d+u?)(?=\s)", text, re.M):
            headers.constants[name] = int(value.rstrip("u"), 0)
        headers.member_docs.update((name, clean(doc)) for name, doc in re.findall(r"^  (LCL_\w+)[^/\n]*/\*\*<(.*?)\*/", text, re.M | re.S))
        docs = [(m.end(), clean(m[1])) for m in re.finditer(r"/\*\*(?!<)(.*?)\*/", text, re.S)]
        for m in re.finditer(r"(?:typedef )?enum(?: \w+)? \{(.*?)\}\s*(\w*);|typedef struct (\w+) \3;|"
                             r"typedef ([^;{}]*?)\(\*(\w+)\)\(([^;]*?)\);|(?:typedef )?struct (\w+) \{(.*?)\n\}[^;]*;|"
                             r"LCL_API\s+([\w\s]+?[\s*]+)(\w+)\(([^;]*?)\)\s*(?:LCL_PRINTF\(.*?\)\s*)?;", code, re.S):
            enum, enum_name, opaque, returns, callback, arguments, structure, _, result, function, parameters = m.groups()
            if enum is not None:
                values = members(enum)
                headers.enums[enum_name or next(iter(values))] = values
            elif opaque:
                headers.opaque.append(opaque)
            elif callback:
                headers.callbacks[callback] = prototype(headers, returns, arguments)
            elif structure:
                headers.structures[structure] = fields(headers, text[m.start(8):m.end(8)])
            else:
                doc = [words for end, words in docs if end < m.start()][-1]
                words = split(parameters)
                headers.functions.append(Function(
                    function, variable(headers, result + " result"),
                    [variable(headers, p) for p in words if p not in ("void", "...")], "..." in words, doc, Path(path).name))
        if code.count("LCL_API") != sum(f.header == Path(path).name for f in headers.functions) + code.count("LCL_API extern"):
            raise SystemExit(f"generate.py read {sum(f.header == Path(path).name for f in headers.functions)} of the "
                             f"{code.count('LCL_API')} functions of {path}")
    return headers


def words_of(values):
    """{"zero": 0, ...} of {"LCL_INIT_ZERO": 0, ...}: without the words that all have in common."""
    parts = [name.split("_") for name in values]
    common = 0
    while all(len(p) > common + 1 and p[common] == parts[0][common] for p in parts):
        common += 1
    return {"_".join(p[common:]).lower(): value for p, value in zip(parts, values.values())}


def write_api(headers):
    out = ['"""Structures, enumerations and functions of the C headers, made by python/generate.py."""',
           "from ctypes import (CFUNCTYPE, Structure, c_bool, c_char, c_char_p, c_double, c_float, c_int, c_int32, c_int64,",
           "                    c_long, c_size_t, c_uint, c_uint8, c_uint32, c_uint64, c_void_p)",
           "from typing import Any", "", "CONSTANTS = " + repr(headers.constants), "",
           "# Of each enumeration the words of its members, and of structures the enumerations of their fields.",
           "ENUMS: dict[str, dict[str, int]] = {"]
    out += [f"    {name!r}: {words_of(values)!r}," for name, values in headers.enums.items()]
    out += ["}", "FIELD_ENUMS: dict[str, dict[str, str]] = {"]
    out += [f"    {name!r}: {({v.name: v.base for v in body if v.base in headers.enums and not v.stars})!r},"
            for name, body in headers.structures.items()]
    out += ["}", ""]
    out += [f"{name} = {text}" for name, text in headers.callbacks.items()]
    for name, body in headers.structures.items():
        out += ["", "", f"class {name}(Structure):", "    _fields_ = ["]
        out += [f"        ({v.name!r}, {ctype(headers, v, False)})," for v in body]
        out += ["    ]"]
    out += ["", "", "FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {"]
    for f in headers.functions:
        kinds = ", ".join(ctype(headers, p, True) for p in f.parameters)
        result = "c_char_p" if f.result.base == "char" and f.result.constant else ctype(headers, f.result, True)
        out.append(f"    {f.name!r}: ({result}, {'[]' if f.variadic else f'[{kinds}]'}),")
    return out + ["}"]


# ---- ops.py ----

# Functions of ops.h and nn.h whose Python form is written by hand, in graph.py.
BY_HAND = {"lcl_gradients", "lcl_vjp", "lcl_unary", "lcl_binary"}


@dataclass
class Argument:
    """Of a Python function: how it is declared, and the C arguments that are made of it."""
    name: str
    hint: str
    default: str = ""
    keyword: bool = False
    doc: str = ""


def safe(name):
    return name + "_" if keyword.iskeyword(name) else name


def documented(doc):
    """What a comment says of each parameter."""
    found = re.findall(r"@param (\w+)\s+(.*?)(?=\n@|\Z)", doc, re.S)
    return {name: " ".join(text.split()) for name, text in found}


def in_python(text):
    text = re.sub(r"\blcl_(\w+)\(", r"\1(", text)
    text = re.sub(r"\bNULL\b", "None", text)
    return re.sub(r"\bLCL_(?:ERR_)?([A-Z]\w+)", lambda m: m[1].lower(), text)


def field_argument(headers, v):
    """A field of a descriptor as a keyword, or several for a structure inside."""
    if v.base in headers.structures and not v.stars and v.base != "lcl_init":
        return [a for inner in headers.structures[v.base] for a in field_argument(headers, inner)]
    if v.base == "lcl_tensor":
        return [Argument(v.name, "Sequence[Tensor] | None" if v.stars > 1 else "TensorLike | None", "None", True, v.doc)]
    if v.base == "lcl_init":
        return [Argument(v.name, "InitLike | None", "None", True, v.doc)]
    if v.base in headers.enums:
        first = next(iter(words_of(headers.enums[v.base])))
        return [Argument(v.name, literal(headers, v.base), repr(first), True, v.doc)]
    if v.length:
        return [Argument(v.name, "int | Sequence[int]", "0", True, v.doc)]
    if v.name.startswith("n_"):
        return []  # counts a sequence
    hint, default = {"bool": ("bool", "False"), "float": ("float", "0.0")}.get(v.base, ("int", "0"))
    return [Argument(v.name, hint, default, True, v.doc)]


def literal(headers, enum):
    return f"Literal[{', '.join(map(repr, words_of(headers.enums[enum])))}]"


def tensor_argument(p, docs, following):
    """(Python argument, C arguments, output) of a parameter that is a tensor, several, or where one is put."""
    optional = "NULL" in docs.get(p.name, "")
    name, doc = safe(p.name), docs.get(p.name, "")
    if p.stars == 1:
        hint, default = ("TensorLike | None", "None") if optional else ("TensorLike", "")
        return Argument(name, hint, default, doc=doc), [f"to_pointer(g, {name})"], None
    if following and following.name == "n":
        return Argument(name, "Sequence[TensorLike]", doc=doc), [f"to_pointers(g, {name})", f"len({name})"], None
    return None, [f"byref({name}_out)"], (name, optional)


def value_argument(headers, f, p, docs, rank_of):
    """(Python argument or several, C argument) of any other parameter. rank_of: the tensor whose rank counts numbers."""
    name, doc = safe(p.name), docs.get(p.name, "")
    optional = " | None" if "NULL" in doc else ""
    default = "None" if optional else ""
    if p.base in headers.structures and p.stars == 1:
        arguments = [a for v in headers.structures[p.base] for a in field_argument(headers, v)]
        given = ", ".join(f"{a.name}={safe(a.name)}" for a in arguments)
        return arguments, f"byref(to_structure(g, _api.{p.base}, {given}))"
    if p.base in headers.callbacks:
        tensors = ", ".join(["Tensor"] * (headers.callbacks[p.base].count("c_void_p") - 2))
        return [Argument(name, f"Callable[[{tensors}], Tensor]", doc=doc)], f"calls.wrap(_api.{p.base}, {name})"
    if p.name == "axes":
        return [Argument(name, "int | Sequence[int] | None", "None", doc="one or several; None: all")], f"to_axes({rank_of}, {name})"
    if (p.stars or p.length) and p.base in ("int", "int64_t"):
        length = p.length or f"{rank_of}.ndim"
        return ([Argument(name, "Sequence[int]" + optional, default, doc=doc)],
                f"to_ints({p.name!r}, {SCALARS[p.base]}, {length}, {name})")
    if p.name == "user":
        return [], "None"
    if p.base in headers.enums and p.base != "lcl_dtype":
        return [Argument(name, literal(headers, p.base), doc=doc)], f"to_enum({p.base!r}, {name})"
    simple = {  # type in C: name, type and default in Python, what makes one of the other
        "lcl_graph": ("g", "Graph", "", "g.pointer"), "lcl_shape": (name, "ShapeLike", "", f"to_shape({name})"),
        "lcl_init": (name, "InitLike", "'zero'", f"to_init({name})"), "lcl_dtype": (name, "DTypeLike", "", f"to_dtype({name})"),
        "char": (name, "str" + optional, default, f"to_bytes({name})"), "float": (name, "float", "", name),
        "int": (name, "int", "", f"to_int({p.name!r}, {name})"), "int64_t": (name, "int", "", f"to_int({p.name!r}, {name})"),
        "bool": (name, "bool", "False", name)}
    if p.base not in simple:
        raise SystemExit(f"generate.py: {f.name} has the parameter '{p.name}' of a kind that it does not know")
    word, hint, default, c = simple[p.base]
    return [Argument(word, hint, default, doc=doc)], c


def op_arguments(headers, f):
    """(Python arguments, C arguments, names of outputs and whether each is optional)"""
    docs = documented(f.doc)
    rank_of = next((safe(p.name) for p in f.parameters if p.base == "lcl_tensor" and p.stars == 1), "")
    python, c, outs = [], [], []
    for p, following in zip(f.parameters, [*f.parameters[1:], None]):
        if p.base == "lcl_tensor":
            argument, made, out = tensor_argument(p, docs, following)
            python += [argument] if argument else []
            outs += [out] if out else []
            c += made
        elif p.name != "n":  # which counts the tensors before it
            arguments, made = value_argument(headers, f, p, docs, rank_of)
            python += arguments
            c.append(made)
    if any(f"{rank_of}.ndim" in x or x.startswith("to_axes(") for x in c):
        next(a for a in python if a.name == rank_of).hint = "Tensor"  # whose rank says how many numbers another has
    late = next((i for i in reversed(range(len(python))) if not python[i].default and not python[i].keyword), -1)
    for a in python[:late]:  # no default before an argument without one
        a.default = a.default if a.keyword else ""
    return python, c, outs


def docstring(headers, f, python):
    """The header's comment as a docstring; of functions that share one, that of their code."""
    doc = re.sub(r"\s+", " ", re.sub(r"\n@.*", "", f.doc, flags=re.S)).strip()
    if doc.startswith("The function of this name"):
        code = f.name[4:].upper().replace("IMUM", "")
        doc = "Element by element: " + " ".join(headers.member_docs["LCL_MAP_" + code].split()) + "."
    doc = in_python(doc)
    told = [f"    {a.name}: {in_python(' '.join(a.doc.split()))}" for a in python if a.doc]
    returns = re.search(r"@return (.*?)(?=\n@|\Z)", f.doc, re.S)
    if returns:
        told.append("    gives: " + in_python(" ".join(returns[1].split())))
    lines = [f'    """{doc}', *([""] + told if told else []), '    """']
    return [line.replace("\\", "\\\\") for line in lines]


def result_type(n, optional):
    if optional:
        return f"Tensor | tuple[{', '.join(['Tensor'] * n)}]"
    return "None" if n == 0 else "Tensor" if n == 1 else f"tuple[{', '.join(['Tensor'] * n)}]"


def body(f, python, c, outs, flag):
    """The call of the C function and what is made of it. flag: the argument that asks for outputs, or ""."""
    lines = []
    if not any(a.name == "g" for a in python):
        operands = [a for a in python if not a.keyword and a.hint.startswith(("Tensor", "Sequence[TensorLike]"))]
        stars = [("*" if a.hint.startswith("Sequence") else "") + a.name for a in operands]
        lines.append(f"    g = graph_of({', '.join(stars)})")
    lines += [f"    {name}_out = c_void_p()" for name, _ in outs]
    if flag:
        c = [f"{x} if {flag} else None" if x.endswith("_out)") else x for x in c]
    call, results = f"{f.name}({', '.join(c)})", ", ".join(f"tensor(g, {name}_out.value)" for name, _ in outs)
    if any("calls.wrap" in x for x in c):
        return lines + ["    with Callbacks(g) as calls:", f"        result = {call}", "    return tensor(g, result)"]
    if flag:
        return lines + [f"    result = tensor(g, {call})", f"    return (result, {results}) if {flag} else result"]
    if f.result.stars and outs:
        return lines + [f"    result = {call}", f"    return tensor(g, result), {results}"]
    if f.result.stars:
        return lines + [f"    return tensor(g, {call})"]
    return lines + [f"    {call}", f"    return {results}" if outs else "    g.check()"]


def write_op(headers, f):
    python, c, outs = op_arguments(headers, f)
    flag = ""
    if outs and all(optional for _, optional in outs):
        names = [name for name, _ in outs]
        flag = "with_" + "_and_".join(names)
        python.append(Argument(flag, "bool", "False", True, "also give " + " and ".join(names)))
    declare = [f"{a.name}: {a.hint}" + (f" = {a.default}" if a.default else "") for a in python if not a.keyword]
    keywords = [f"{safe(a.name)}: {a.hint} = {a.default}" for a in python if a.keyword]
    declare += ["*", *keywords] if keywords else []
    result = result_type((f.result.stars == 1) + len(outs), bool(flag))
    return ["", "", f"def {f.name[4:]}({', '.join(declare)}) -> {result}:", *docstring(headers, f, python), *body(f, python, c, outs, flag)]


def write_ops(headers):
    chosen = [f for f in headers.functions if f.header in ("ops.h", "nn.h") and f.name not in BY_HAND]
    out = ['"""Operations, layers and losses: everything in ops.h and nn.h, made by python/generate.py."""',
           "from __future__ import annotations", "",
           "from ctypes import byref, c_int, c_int64, c_void_p",
           "from typing import Callable, Literal, Sequence", "",
           "from . import _api",
           "from ._convert import DTypeLike, InitLike, ShapeLike, to_axes, to_bytes, to_dtype, to_enum, to_init, to_int, to_ints, to_shape",
           "from ._core import library",
           "from .graph import Callbacks, Graph, Tensor, TensorLike, graph_of, tensor, to_pointer, to_pointers, to_structure",
           "", "__all__ = ["]
    out += [f"    {f.name[4:]!r}," for f in chosen] + ["]", ""]
    out += [f"{f.name} = library.{f.name}" for f in chosen]
    for f in chosen:
        out += write_op(headers, f)
    return out


def main():
    what, output, *paths = sys.argv[1:]
    lines = {"api": write_api, "ops": write_ops}[what](read(paths))
    Path(output).write_text("\n".join(lines) + "\n")


main()
