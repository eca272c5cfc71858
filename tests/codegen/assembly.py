"""Reads what GPU compilers made of a kernel: instructions, loops, and what the hottest loop consists of.

Three assembly languages: NVIDIA SASS (nvdisasm -c), AMD (clang -S), Intel (IGC's .asm). Each becomes a list of
instructions with a class, and of labels; a branch to an earlier label closes a loop."""
import re
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Instr:
    op: str
    kind: str        # fma, fp, special, int, lds, sts, ldg, stg, priv, barrier, branch, move, wait, other
    width: int = 0   # bytes an item moves
    count: int = 1   # multiply-adds in one instruction (dual issue, packed)
    targets: tuple = ()
    maybe: bool = False  # a branch under a condition


@dataclass
class Kernel:
    name: str
    body: list = field(default_factory=list)     # Instr or label (str)
    facts: dict = field(default_factory=dict)    # registers, spill, local, ...


# ---- NVIDIA ----

SASS = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)(.*?);")
SASS_WIDTH = re.compile(r"\.(U8|S8|U16|S16|64|128)\b")


def sass_instr(op, rest, condition):
    head = op.split(".")[0]
    w = SASS_WIDTH.search(op)
    width = {"64": 8, "128": 16, "U8": 1, "S8": 1, "U16": 2, "S16": 2}.get(w.group(1), 4) if w else 4
    label = re.search(r"`\((\.L[\w.]*)\)", rest)
    if head == "FFMA":
        kind = "fma"
    elif head in ("FADD", "FMUL", "FMNMX", "FSEL", "FSET", "FSETP", "DADD", "DMUL", "DFMA"):
        kind = "fp"
    elif head in ("MUFU", "I2F", "F2I", "I2FP", "FCHK", "F2F", "F2FP"):
        kind = "special"
    elif head == "LDS":
        kind = "lds"
    elif head == "STS":
        kind = "sts"
    elif head in ("LDG", "LD"):
        kind = "ldg"
    elif head in ("STG", "ST", "RED", "ATOM", "ATOMG"):
        kind = "stg"
    elif head in ("LDL", "STL"):
        kind = "priv"
    elif head == "BAR":
        kind = "barrier"
    elif head in ("BRA", "BRX", "EXIT", "BSSY", "BSYNC", "CALL", "RET", "WARPSYNC", "BREAK"):
        kind = "branch"
    elif head in ("MOV", "UMOV", "CS2R", "S2R", "S2UR", "R2UR", "LDC", "ULDC", "PRMT", "SEL", "USEL") or op == "IMAD.MOV.U32":
        kind = "move"
    elif head in ("NOP", "DEPBAR"):
        kind = "wait"
    elif head == "HFMA2" and "RZ, RZ" in rest:
        kind = "move"  # a way to write a constant
    else:
        kind = "int"
    # Like "BRA P0, `(.L)", a branch may name its condition behind the name.
    maybe = bool(condition) or bool(re.match(r"\s*!?U?P\d", rest))
    return Instr(op, kind, width, 1, (label.group(1),) if label and head == "BRA" else (), maybe)


def parse_sass(text):
    kernels, now = {}, None
    for line in text.splitlines():
        start = re.match(r"^\.text\.(\S+):", line)
        if start:
            now = kernels.setdefault(start.group(1), Kernel(start.group(1)))
            continue
        if line.startswith(".section") or line.lstrip().startswith(".section"):
            if ".text." not in line:
                now = None
            continue
        if now is None:
            continue
        label = re.match(r"^(\.L\S*):", line)
        if label:
            now.body.append(label.group(1))
            continue
        m = SASS.match(line)
        if m and m.group(2) != "NOP":
            now.body.append(sass_instr(m.group(2), m.group(3), m.group(1)))
    return kernels


# ---- AMD ----

AMD_WIDTH = re.compile(r"(?:dword|_b|_u|_i)(x2|x3|x4|8|16|32|64|96|128)?(?:\b|_)")


def amd_width(op):
    for text, width in (("x4", 16), ("x3", 12), ("x2", 8), ("b128", 16), ("b96", 12), ("b64", 8), ("2_b32", 8), ("2st64_b32", 8), ("2addr_b32", 8), ("u8", 1), ("ubyte", 1), ("sbyte", 1), ("short", 2)):
        if text in op:
            return width
    return 4


def amd_instr(op, rest):
    count = 1
    if op.startswith("v_dual_"):
        parts = [op] + re.findall(r"::\s*(v_dual_\w+)", rest)
        fma = [p for p in parts if re.match(r"v_dual_fma", p)]
        return Instr(op, "fma" if fma else "move", 0, max(len(fma), 1))
    if re.match(r"v_(fma|fmac|mac|mad|fmaak|fmamk|madak|madmk)(_legacy)?_f32", op):
        kind = "fma"
    elif op.startswith("v_pk_fma_f32"):
        kind, count = "fma", 2
    elif re.match(r"v_(rcp|rsq|sqrt|exp|log|sin|cos|cvt|div)", op):
        kind = "special"
    elif re.match(r"v_.*_f32", op):
        kind = "fp"
    elif re.match(r"ds_(read|load)", op):
        kind = "lds"
    elif re.match(r"ds_(write|store)", op):
        kind = "sts"
    elif re.match(r"(global|flat|buffer)_load", op):
        kind = "ldg"
    elif re.match(r"(global|flat|buffer)_(store|atomic)", op):
        kind = "stg"
    elif op.startswith("scratch_"):
        kind = "priv"
    elif op.startswith("s_barrier"):
        kind = "barrier"
    elif re.match(r"s_(cbranch|branch|endpgm)", op):
        kind = "branch"
    elif re.match(r"(s_waitcnt|s_delay_alu|s_nop|s_clause|s_sendmsg|s_inst_prefetch|buffer_gl|s_waitcnt_depctr|s_set_inst)", op):
        kind = "wait"
    elif re.match(r"(v_mov|s_mov|v_cndmask)", op):
        kind = "move"
    elif op.startswith("s_load"):
        kind = "move"
    else:
        kind = "int"
    m = re.search(r"(\.LBB\w+)", rest) if kind == "branch" else None
    return Instr(op, kind, amd_width(op), count, (m.group(1),) if m else (), op.startswith("s_cbranch"))


AMD_FACTS = {"NumVgprs": "registers", "NumSgprs": "sgprs", "ScratchSize": "private", "Occupancy": "occupancy",
             "LDSByteSize": "local"}


def parse_amd(text):
    kernels, now, done = {}, None, None
    for line in text.splitlines():
        start = re.match(r"^(\w+):\s*; @", line)
        if start:
            now = done = kernels.setdefault(start.group(1), Kernel(start.group(1)))
            continue
        fact = re.match(r"^; (\w+): (\d+)", line)
        if fact and done and fact.group(1) in AMD_FACTS:
            done.facts[AMD_FACTS[fact.group(1)]] = int(fact.group(2))
            continue
        if line.startswith(".Lfunc_end"):
            now = None
        if now is None:
            continue
        label = re.match(r"^(\.LBB\w+):", line)
        if label:
            now.body.append(label.group(1))
            continue
        m = re.match(r"^\t([a-z]\w+)(.*)", line)
        if m and not m.group(1).startswith("."):
            now.body.append(amd_instr(m.group(1), m.group(2)))
    names = re.findall(r"^\t\.amdhsa_kernel (\w+)", text, flags=re.M)
    return {n: kernels[n] for n in names if n in kernels}


# ---- Intel ----

def intel_instr(op, text, condition):
    targets, head = (), op.split(".")[0]
    if op == "mad" and re.search(r":f\b", text):
        kind = "fma"
    elif op == "math":
        kind = "special"
    elif op in ("add", "mul", "sel", "cmp") and re.search(r":f\b", text):
        kind = "fp"
    elif op.startswith("load.slm"):
        kind = "lds"
    elif op.startswith("store.slm"):
        kind = "sts"
    elif op.startswith("load.ugm"):
        kind = "ldg"
    elif op.startswith("store.ugm") or op.startswith("atomic"):
        kind = "stg"
    elif op.startswith("send"):
        kind = "barrier" if "barrier" in text else "lds" if ".slm" in op else "ldg"
        if "wr:1+0, rd:0" in text or ".gtwy" in op:
            kind = "barrier" if ".gtwy" in op and "barrier" in text else "other"
    elif head in ("goto", "jmpi", "while", "brc", "brd", "break", "cont", "join", "if", "else", "endif", "ret", "call", "calla"):
        kind = "branch"
        if head in ("goto", "jmpi", "while"):
            targets = tuple(re.findall(r"\s(L\d+|_\d+_\w+)\b", text.split("//")[0]))
    elif op.startswith("sync"):
        kind = "barrier" if op == "sync.bar" else "wait"
    elif op == "mov":
        kind = "move"
    else:
        kind = "int"
    width = 4
    m = re.search(r"\.d(8|16|32|64)(?:c32)?(?:x(\d+))?(t)?", op)
    if m:
        width = max(1, int(m.group(1)) // 8) * int(m.group(2) or 1)
    return Instr(op, kind, width, 1, targets, condition or head == "goto")


def parse_intel(text):
    name = re.search(r"^//\.kernel (\S+)", text, flags=re.M).group(1).strip('"')
    k = Kernel(name)
    m = re.search(r"numGRF=(\d+)", text)
    k.facts["registers"] = int(m.group(1)) if m else 0
    m = re.search(r"^//\.spill size (\d+)", text, flags=re.M)
    k.facts["spill"] = int(m.group(1)) if m else 0
    for line in text.splitlines():
        if line.startswith("//") or not line.strip():
            continue
        label = re.match(r"^(L\d+|_\d+_\w+):", line)
        if label:
            k.body.append(label.group(1))
            continue
        m = re.match(r"^((?:\([^)]*\)\s*)*)\s*([a-z]\w*(?:\.[\w.]+)?)\s(.*)", line.strip())
        if m:
            k.body.append(intel_instr(m.group(2), " " + m.group(3), "f" in m.group(1)))
    return k


# ---- loops ----

@dataclass
class Loop:
    head: int
    members: set                                 # indices into the body
    inner: list = field(default_factory=list)

    def of(self, body):
        return [body[i] for i in sorted(self.members)]


ENDS = re.compile(r"^(EXIT|RET|s_endpgm|s_branch|s_setpc|jmpi)")


def blocks_of(body):
    """Basic blocks as (first, end) and their successors."""
    starts = {0}
    for i, x in enumerate(body):
        if isinstance(x, str):
            starts.add(i)
        elif x.kind == "branch" and (x.targets or ENDS.match(x.op)):
            starts.add(i + 1)
    order = sorted(n for n in starts if n < len(body))
    ends = order[1:] + [len(body)]
    number = {first: n for n, first in enumerate(order)}
    at = {x: i for i, x in enumerate(body) if isinstance(x, str)}
    follow = []
    for n, end in enumerate(ends):
        last = body[end - 1]
        next_ones = set()
        falls = True
        if isinstance(last, Instr) and last.kind == "branch":
            next_ones |= {number[at[t]] for t in last.targets if t in at}
            falls = last.maybe or not ((last.targets and last.op.split(".")[0] in ("BRA", "s_branch", "jmpi"))
                                       or ENDS.match(last.op))
        if falls and n + 1 < len(ends):
            next_ones.add(n + 1)
        follow.append(next_ones)
    return list(zip(order, ends)), follow


def dominators(follow):
    n = len(follow)
    before = [[] for _ in range(n)]
    for a, bs in enumerate(follow):
        for b in bs:
            before[b].append(a)
    dom = [None] * n
    dom[0] = {0}
    changed = True
    while changed:
        changed = False
        for b in range(1, n):
            known = [dom[p] for p in before[b] if dom[p] is not None]
            if known:
                new = set.intersection(*known) | {b}
                if new != dom[b]:
                    dom[b], changed = new, True
    return dom, before


def loops_of(body):
    """Natural loops, innermost first; each knows the loops right inside it."""
    if not body:
        return []
    blocks, follow = blocks_of(body)
    dom, before = dominators(follow)
    found = {}
    for a, bs in enumerate(follow):
        for b in bs:
            if dom[a] is None or b not in dom[a]:
                continue
            inside, work = found.setdefault(b, {b}), [a]
            while work:
                c = work.pop()
                if c not in inside and dom[c] is not None:
                    inside.add(c)
                    work += before[c]
    loops = []
    for head, inside in found.items():
        members = {i for n in inside for i in range(*blocks[n])}
        if sum(isinstance(body[i], Instr) for i in members) > 1:  # one instruction: the trap behind the end
            loops.append(Loop(blocks[head][0], members))
    loops.sort(key=lambda l: len(l.members))
    for n, l in enumerate(loops):
        for outer in loops[n + 1:]:
            if l.members < outer.members:
                outer.inner.append(l)
                break
    return loops


def mix(instrs):
    c = Counter()
    for x in instrs:
        if isinstance(x, Instr) and x.kind != "wait":
            c["all"] += 1
            c[x.kind] += 1
            if x.kind == "fma":
                c["macs"] += x.count
            if x.kind in ("lds", "ldg", "sts", "stg"):
                c["%s%d" % (x.kind, x.width * 8)] += 1
    return c


def hot_loop(kernel):
    """The innermost loop with most multiply-adds, else with most instructions; None without loops."""
    leaves = [l for l in loops_of(kernel.body) if not l.inner]
    if not leaves:
        return None
    return max(leaves, key=lambda l: (mix(l.of(kernel.body))["macs"], len(l.members)))


def weighted(kernel, macs, stores):
    """Instructions of one round of the main loop (the innermost that fills local memory and multiplies), its inner loops
    counted as often as they turn: those with multiply-adds until there are `macs`, those that fill local memory until
    each of them has stored its share of `stores` floats (as many loops as there are operands)."""
    body = kernel.body
    loops = loops_of(body)
    main = [loop for loop in loops if mix(loop.of(body))["sts"] and mix(loop.of(body))["fma"]]
    if not main:
        return None
    top = main[0]  # the innermost one: what is around it happens once a slice of k
    leaves = [l for l in loops if not l.inner and l.members < top.members]
    filling = [l for l in leaves if mix(l.of(body))["sts"]]
    outside = set(top.members)
    for l in leaves:
        outside -= l.members
    flat = mix(body[i] for i in outside)
    flat_stores = sum(body[i].width for i in outside if isinstance(body[i], Instr) and body[i].kind == "sts") / 4
    total = Counter(flat)
    for l in leaves:
        part = mix(l.of(body))
        turns = 1.0
        if part["macs"]:
            turns = max(macs - flat["macs"], 0) / part["macs"] / sum(1 for x in leaves if mix(x.of(body))["macs"])
        elif part["sts"]:
            moved = sum(x.width for x in l.of(body) if isinstance(x, Instr) and x.kind == "sts") / 4
            turns = max(stores - flat_stores, 0) / len(filling) / moved
        for kind, n in part.items():
            total[kind] += n * turns
    return total


def with_turns(kernel, macs):
    """Instructions of a turn of the loop that has barriers and multiplies; the loop inside it with most multiply-adds counts as
    often as it turns to do `macs` of them."""
    body = kernel.body
    loops = loops_of(body)
    main = next((loop for loop in loops if mix(loop.of(body))["barrier"] and mix(loop.of(body))["macs"]), None)
    if not main:
        return 0
    total = mix(main.of(body))["all"]
    inner = max((l for l in loops if l.members < main.members and not l.inner), key=lambda l: mix(l.of(body))["macs"], default=None)
    part = mix(inner.of(body)) if inner else Counter()
    if part["macs"]:
        total += (macs / part["macs"] - 1) * part["all"]
    return total
