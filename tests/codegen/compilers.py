"""The compilers of GPU vendors and their stand-ins: a program goes in, what the device would run comes out.

NVIDIA (sm_NN): clang and libclc make PTX, NVIDIA's own ptxas makes machine code of it. AMD (gfxNNNN): clang's backend is AMD's
own. Intel (acm-g10 and others): ocloc. SPIR-V: only whether the kernels can become valid SPIR-V. The first two stand in for
drivers with other libraries of elementary functions, so that these are longer here than on the real thing."""
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import assembly


class CompileError(Exception):
    pass


class NoCompiler(Exception):
    pass


def run(args, env=None):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, errors="replace", env=env)
    if done.returncode:
        raise CompileError("%s: %s" % (Path(str(args[0])).name, (done.stderr or done.stdout).strip()[-1500:]))
    return done


class Compilers:
    """Looks into a folder that compilers.sh filled, then into PATH."""

    def __init__(self, folder):
        self.folder = Path(folder)
        root = self.folder / "root"
        self.places = [root / "usr/bin", self.folder / "python/nvidia/cu13/bin", self.folder / "python/nvidia/cuda_nvcc/bin",
                       self.folder / "python/nvidia/cuda_nvdisasm/bin"]
        self.clc = [root / "usr/lib/clc", Path("/usr/lib/clc")]
        self.env = dict(os.environ)
        libraries = [root / "usr/lib/x86_64-linux-gnu", *root.glob("usr/lib/llvm-*/lib")]
        self.env["LD_LIBRARY_PATH"] = ":".join([str(p) for p in libraries if p.is_dir()] +
                                               [p for p in [os.environ.get("LD_LIBRARY_PATH")] if p])

    def find(self, *names):
        """The first of these commands that is there."""
        for name in names:
            for place in self.places:
                if (place / name).exists():
                    if not os.access(place / name, os.X_OK):
                        (place / name).chmod(0o755)
                    return str(place / name)
            if shutil.which(name):
                return shutil.which(name)
        raise NoCompiler("no " + " or ".join(names))

    def library(self, name):
        for folder in self.clc:
            if (folder / name).exists():
                return str(folder / name)
        raise NoCompiler("no libclc with " + name)

    def clang_of_translator(self):
        """clang and the translator to SPIR-V that reads what it writes."""
        for version in (19, 15, 14):
            try:
                return self.find("clang-%d" % version), self.find("llvm-spirv-%d" % version)
            except NoCompiler:
                continue
        raise NoCompiler("no llvm-spirv with a clang of its version")

    def need(self, target):
        """Raises NoCompiler with what is missing for the target."""
        if target == "spirv":
            return self.clang_of_translator(), self.find("spirv-val")
        if target.startswith("sm_"):
            return self.find("clang-19"), self.library("nvptx64--nvidiacl.bc"), self.find("ptxas"), self.find("nvdisasm")
        if target.startswith("gfx"):
            return self.find("clang-19"), self.library("amdgcn--amdhsa.bc")
        return self.find("ocloc")

    def versions(self, target):
        """Of the compilers on which the target's figures depend."""
        used = {"clang": self.need(target)[0]} if target.startswith(("sm_", "gfx")) else {}
        if target.startswith("sm_"):
            used["ptxas"] = self.need(target)[2]
        said = {name: run([path, "--version"], self.env).stdout for name, path in used.items()}
        return {name: re.search(r"(?:version |V)(\d+\.\d+\.\d+)", text).group(1) for name, text in said.items()}

    def compile(self, program, target):
        """{kernel: assembly.Kernel}; nothing for SPIR-V."""
        way = nvidia if target.startswith("sm_") else amd if target.startswith("gfx") else \
            spirv if target == "spirv" else intel
        with tempfile.TemporaryDirectory(prefix="codegen") as work:
            source = Path(work) / "k.cl"
            source.write_text(program.text)
            return way(self, program, target, Path(work), source)


def clang_options(options):
    return [o for o in options.split() if o.startswith("-D") or o in ("-cl-mad-enable", "-cl-std=CL1.2")]


def nvidia(compilers, program, target, work, source):
    ptx, cubin = work / "k.ptx", work / "k.cubin"
    clang, library, ptxas, nvdisasm = compilers.need(target)
    run([clang, "--target=nvptx64--", "-Xclang", "-target-cpu", "-Xclang", target, "-x", "cl",
         *clang_options(program.options), "-O3", "-ffp-contract=fast",
         "-Xclang", "-fdenormal-fp-math-f32=preserve-sign,preserve-sign", "-mllvm", "-nvptx-prec-divf32=1",
         "-mllvm", "-nvptx-prec-sqrtf32=0", "-Xclang", "-finclude-default-header", "-Xclang", "-mlink-builtin-bitcode",
         "-Xclang", library, "-w", "-S", "-o", ptx, source], compilers.env)

    # The driver's compiler tells ptxas the size of groups that the source fixes; clang does not.
    def fixed(m):
        size = program.sizes.get(m.group(1))
        return m.group(0)[:-1] + (".reqntid %d, %d, %d\n{" % size if size else "{")
    ptx.write_text(re.sub(r"\.entry (\w+)\([^)]*\)\s*\{", fixed, ptx.read_text()))
    log = run([ptxas, "-arch=" + target, "-v", "-o", cubin, ptx]).stderr
    kernels = assembly.parse_sass(run([nvdisasm, "-c", cubin]).stdout)
    for m in re.finditer(r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes "
                         r"spill loads.*?Used (\d+) registers(.*?)(?=Compiling entry|\Z)", log, flags=re.S):
        k = kernels.get(m.group(1))
        if k:
            shared = re.search(r"(\d+) bytes smem", m.group(6))
            k.facts.update(private=int(m.group(2)), spill=int(m.group(3)) + int(m.group(4)), registers=int(m.group(5)),
                           local=int(shared.group(1)) if shared else 0)
    return kernels


def amd(compilers, program, target, work, source):
    out = work / "k.s"
    clang, library = compilers.need(target)
    run([clang, "--target=amdgcn-amd-amdhsa", "-mcpu=" + target, "-nogpulib", "-x", "cl", *clang_options(program.options),
         "-O3", "-cl-denorms-are-zero", "-ffp-contract=fast", "-Xclang", "-finclude-default-header", "-Xclang",
         "-mlink-builtin-bitcode", "-Xclang", library, "-w", "-S", "-o", out, source], compilers.env)
    text = out.read_text()
    kernels = assembly.parse_amd(text)
    for block in re.split(r"^  - \.(?=agpr_count|args)", text[text.find(".amdgpu_metadata"):], flags=re.M)[1:]:
        name = re.search(r"^    \.name:\s+(\w+)", block, flags=re.M)
        spill = re.search(r"\.vgpr_spill_count:\s+(\d+)", block)
        if name and name.group(1) in kernels:
            kernels[name.group(1)].facts["spill"] = int(spill.group(1)) if spill else 0
    return kernels


def intel(compilers, program, target, work, source):
    dump = work / "dump"
    dump.mkdir()
    env = dict(compilers.env, IGC_ShaderDumpEnable="1", IGC_DumpToCustomDir=str(dump) + "/")
    done = run([compilers.need(target), "compile", "-q", "-file", source, "-device", target, "-options", program.options,
                "-out_dir", work, "-output", "k"], env)
    if "error" in (done.stdout + done.stderr).lower():
        raise CompileError("ocloc: " + (done.stdout + done.stderr)[-1500:])
    # A kernel that spills is compiled once more ("_1_" in its name): that one runs, with its arrays in memory.
    kernels, spilt = {}, {}
    for path in dump.glob("*_simd*_entry_*.asm"):
        k = assembly.parse_intel(path.read_text(errors="replace"))
        again = re.search(r"_(\d+)_simd", path.name)
        k.facts["rank"] = (int(again.group(1)) if again else 0, int(re.search(r"_simd(\d+)_", path.name).group(1)))
        spilt[k.name] = max(spilt.get(k.name, 0), k.facts["spill"])
        if k.name not in kernels or k.facts["rank"] > kernels[k.name].facts["rank"]:
            kernels[k.name] = k
    for k in kernels.values():
        k.facts["spill"] = spilt[k.name]
    return kernels


def spirv(compilers, program, target, work, source):
    (clang, translator), validator = compilers.need(target)
    run([clang, "--target=spir64-unknown-unknown", "-x", "cl", *clang_options(program.options), "-O0", "-Xclang",
         "-finclude-default-header", "-w", "-emit-llvm", "-c", "-o", work / "k.bc", source], compilers.env)
    run([translator, "--spirv-max-version=1.2", work / "k.bc", "-o", work / "k.spv"], compilers.env)
    run([validator, "--target-env", "opencl1.2", work / "k.spv"], compilers.env)
    return {}
