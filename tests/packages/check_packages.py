#!/usr/bin/env python3
"""Makes the Debian packages of a build, looks into them, and runs what was unpacked; with --clean, installs them with apt in a folder that
has nothing but Debian, builds and runs the example and a program in Python there, removes them again, and asks lintian.

Usage: check_packages.py CPACK BUILD SOURCE C_COMPILER [--clean]
Ends with 77, and why, where a program for that is missing.
"""
import glob
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile

CPACK, BUILD, SOURCE, CC = sys.argv[1:5]
EXAMPLE = os.path.join(SOURCE, "bindings", "c", "examples", "exchange.c")
SUITE = "bookworm"
PYTHON = "usr/lib/python3/dist-packages"
ALL_REDUCE = """import gossamer, numpy
with gossamer.Session() as session:
    x = session.make_all_reduce(numpy.full(5, session.rank + 1.0))()
    if session.rank == 0: print("the sum is", x[0])
"""
# What lintian says and we leave, each with its reason.
LINTIAN_LEFT = {
    "copyright-without-copyright-notice": "there is no licence yet",
    "initial-upload-closes-no-bugs": "no upload to Debian",
    "maintscript-calls-ldconfig": "CPack writes these scripts",
    "pkg-config-unavailable-for-cross-compilation": "a build for /usr/local; with CMAKE_INSTALL_PREFIX=/usr it is where Debian has it",
}


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            print(f"skipped: {program} is not installed", file=sys.stderr)
            sys.exit(77)


def run(words, **more):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\nended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def expect(condition, what):
    if not condition:
        sys.exit(what)


def make(folder):
    """Name of each package to its file."""
    run([CPACK, "--config", os.path.join(BUILD, "CPackConfig.cmake"), "-B", folder])
    made = {os.path.basename(path).split("_")[0]: path for path in glob.glob(os.path.join(folder, "*.deb"))}
    expect(set(made) == {"libgossamer0", "libgossamer-dev", "gossamer", "python3-gossamer"}, f"these packages were made: {sorted(made)}")
    return made


def field(path, name):
    return run(["dpkg-deb", "-f", path, name]).strip()


def look_into(made, folder):
    files = {name: [line.split()[5] for line in run(["dpkg-deb", "-c", path]).splitlines() if not line.split()[5].endswith("/")]
             for name, path in made.items()}
    everything = [path for listed in files.values() for path in listed]
    expect(len(everything) == len(set(everything)), "two packages have the same file")
    outside = [path for path in everything if not path.startswith("./usr/")]
    expect(not outside, f"these are not below /usr: {outside}")
    library = [path for path in files["libgossamer0"] if "/share/doc/" not in path]
    expect(len(library) == 2 and all(re.search(r"/libgossamer\.so\.0(\.\d+\.\d+)?$", path) for path in library),
           f"libgossamer0 has {library}")
    for name in ("gossamer.h", "gossamer_mpi.h", "gossamer.hpp", "gossamer.pc", "GossamerConfig.cmake", "gossamer.f90",
                 "gossamer_mpi.f90", "gossamer_init.3.gz", "libgossamer.so"):
        expect(any(path.endswith("/" + name) for path in files["libgossamer-dev"]), f"libgossamer-dev lacks {name}")
    for path in ("./usr/bin/gossamer", "./usr/share/man/man1/gossamer.1.gz"):
        expect(path in files["gossamer"], f"gossamer lacks {path}")
    modules = [path for path in files["python3-gossamer"] if "/share/doc/" not in path]
    expect(all(path.startswith(f"./{PYTHON}/gossamer") for path in modules), f"python3-gossamer has {modules}")
    for name in ("__init__.py", "_interface.py", "torch", "py.typed"):
        expect(any(path.startswith(f"./{PYTHON}/gossamer/{name}") for path in modules), f"python3-gossamer lacks {name}")
    expect(not any("_build_tree" in path or path.endswith(".pyc") for path in modules), f"python3-gossamer has {modules}")
    for name, listed in files.items():
        for document in ("copyright", "changelog.Debian.gz"):
            expect(f"./usr/share/doc/{name}/{document}" in listed, f"{name} lacks {document}")
    version = field(made["libgossamer0"], "Version")
    expect(field(made["libgossamer-dev"], "Depends") == f"libgossamer0 (= {version})", "libgossamer-dev is not tied to its library")
    expect(field(made["python3-gossamer"], "Architecture") == "all", "python3-gossamer is for one architecture")
    depends = field(made["python3-gossamer"], "Depends").split(", ")
    expect({f"libgossamer0 (= {version})", "python3-numpy"} < set(depends), f"python3-gossamer depends on {depends}")
    for name in ("libgossamer0", "gossamer"):
        depends = field(made[name], "Depends")
        # What is linked, and what is opened.
        expect("libc6 (" in depends and "libucx0 (" in depends, f"{name} depends on {depends}")
        expect("libfabric1" not in depends, f"{name} must work without libfabric")

    root = os.path.join(folder, "root")
    for path in made.values():
        run(["dpkg-deb", "-x", path, root])
    packages = glob.glob(os.path.join(root, "usr/lib/**/pkgconfig"), recursive=True)
    flags = run(["pkg-config", "--cflags", "--libs", "gossamer"], env={**os.environ, "PKG_CONFIG_PATH": packages[0]}).split()
    program = os.path.join(folder, "exchange")
    run([CC, "-std=c99", EXAMPLE, "-o", program, *flags, "-lm"])
    where = os.path.dirname(packages[0])
    launch = [os.path.join(root, "usr/bin/gossamer"), "run", "-n", "2", "--"]
    output = run([*launch, program], timeout=60, env={**os.environ, "LD_LIBRARY_PATH": where})
    expect("weights are equal on 2 ranks" in output, output)
    use_python(root, launch)


def use_python(root, launch):
    """The package finds the library that was unpacked with it, by its own place."""
    if importlib.util.find_spec("numpy") is None:
        print("left out: numpy is not there for this python3 (Debian: python3-numpy), so python3-gossamer was not run")
        return
    environment = {name: value for name, value in os.environ.items() if name not in ("GOSSAMER_LIBRARY", "LD_LIBRARY_PATH")}
    environment["PYTHONPATH"] = os.path.join(root, PYTHON)
    said = run([sys.executable, "-B", "-m", "gossamer"], timeout=120, env=environment)
    expect(re.search(rf"^library +{re.escape(os.path.realpath(root))}/\S*libgossamer.so", said, re.M), said)
    output = run([*launch, sys.executable, "-B", "-c", ALL_REDUCE], timeout=60, env=environment)
    expect("the sum is 3.0" in output, output)


def install_cleanly(made, folder):
    if os.environ.get("GOSSAMER_TEST_SAMPLE", "all") != "all":
        print("skipped: it has no values of which a sample could be drawn, and takes minutes", file=sys.stderr)
        sys.exit(77)
    need("debootstrap", "chroot")
    expect(os.geteuid() == 0, "a folder with Debian in it needs root")
    root = os.path.join(folder, "debian")
    run(["debootstrap", "--variant=minbase", "--include=ca-certificates", SUITE, root, *mirror()])

    def inside(command):
        return run(["chroot", root, "bash", "-euc", command], timeout=900,
                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8",
                        **{name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}})

    for path in made.values():
        shutil.copy(path, os.path.join(root, "root"))
    shutil.copy(EXAMPLE, os.path.join(root, "root"))
    inside("mount -t proc proc /proc; mkdir -p /dev/shm")
    try:
        inside("cd /root; apt-get update -q; apt-get install -yq --no-install-recommends ./libgossamer0_*.deb ./gossamer_*.deb")
        expect("0.1" in inside("gossamer --version"), "the command does not say its version")
        inside("cd /root; apt-get install -yq --no-install-recommends ./libgossamer-dev_*.deb gcc libc6-dev pkg-config lintian")
        output = inside("cd /root; cc exchange.c $(pkg-config --cflags --libs gossamer) -lm -o exchange; "
                        "gossamer run -n 3 -- ./exchange")
        expect("weights are equal on 3 ranks" in output, output)
        inside("cd /root; apt-get install -yq --no-install-recommends ./python3-gossamer_*.deb")
        inside("gossamer info; python3 -m gossamer")
        with open(os.path.join(root, "root", "sum.py"), "w", encoding="utf-8") as file:
            file.write(ALL_REDUCE)
        expect("the sum is 6.0" in inside("gossamer run -n 3 python3 /root/sum.py"), "three ranks in Python give another sum")
        said = inside("cd /root; lintian --no-cfg --fail-on none --tag-display-limit 0 *.deb")
        tags = [line for line in said.splitlines() if re.match("[EW]: ", line)]
        wrong = [line for line in tags if line.split()[2] not in LINTIAN_LEFT]
        expect(not wrong, "lintian says:\n" + "\n".join(wrong))
        for line in tags:
            print(f"left: {line}: {LINTIAN_LEFT[line.split()[2]]}")
        inside("apt-get purge -yq python3-gossamer gossamer libgossamer-dev libgossamer0")
        expect("gossamer" not in inside("find /usr -name '*gossamer*'"), "files are left after the packages were removed")
    finally:
        subprocess.run(["umount", os.path.join(root, "proc")], check=False)


def mirror():
    """The one that this machine uses."""
    for path in glob.glob("/etc/apt/sources.list.d/*.sources") + ["/etc/apt/sources.list"]:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                if found := re.search(r"(?:^URIs:|^deb(?: \[[^]]*\])?) *(http\S+debian/?)\s", file.read(), re.M):
                    return [found[1]]
    return []


def main():
    need("dpkg-deb", "dpkg-shlibdeps", "pkg-config")
    with tempfile.TemporaryDirectory() as folder:
        made = make(folder)
        look_into(made, folder)
        if "--clean" in sys.argv:
            install_cleanly(made, folder)
    print("the packages are in order")


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main()
