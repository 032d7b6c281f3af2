"""Debian's kernel package, unpacked and not installed: a kernel to boot and the modules that soft-RoCE needs."""
import glob
import os
import re
import shutil
import subprocess
import tempfile

# crc32_generic first: without it rdma_rxe loads and then cannot add a device.
MODULES = ("crc32_generic", "ib_uverbs", "rdma_ucm", "veth", "rdma_rxe")
# Where these and what they need lie.
FOLDERS = ("arch/x86/crypto", "crypto", "drivers/infiniband", "drivers/net", "fs/configfs", "lib", "net")


class KernelError(Exception):
    """What was missing, and what to do about it."""


def run(command, folder, what):
    """Runs a package tool; its output is shown only where it fails."""
    try:
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
    except FileNotFoundError as error:
        raise KernelError(f"cannot {what}: there is no {command[0]}; the kernel comes from Debian's packages") from error
    if done.returncode != 0:
        raise KernelError(f"cannot {what}: `{' '.join(command)}` ended with status {done.returncode}:\n"
                          f"{done.stdout.strip()}\nThis step needs a Debian mirror; is there a network?")
    return done.stdout


def package_name():
    """The package that Debian's linux-image-amd64 stands for today."""
    listing = run(["apt-cache", "depends", "linux-image-amd64"], None, "look the kernel package up")
    found = re.search(r"Depends: (linux-image-\S+)", listing)
    if found is None:
        raise KernelError("no linux-image-amd64 in the package lists, which Debian has; run `apt-get update`")
    return found.group(1)


def fetch(cache, say):
    """Downloads and unpacks the package into `cache`; a folder appears there only when it is whole."""
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    run([*as_root, "apt-get", "-qq", "update"], None, "update the package lists")
    package = package_name()
    say(f"downloading {package}")
    os.makedirs(cache, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="unfinished-") as folder:
        sandbox = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
        run(["apt-get", "-qq", *sandbox, "download", package], folder, "download the kernel")
        archive = glob.glob(os.path.join(folder, "*.deb"))[0]
        wanted = ["./boot/vmlinuz-*", "./lib/modules/*/modules.*"]
        wanted += [f"./lib/modules/*/kernel/{each}/*" for each in FOLDERS]
        run(["bash", "-c", 'set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar -x --wildcards "${@:2}"',
             "unpack", archive, *wanted], folder, "unpack the kernel")
        os.remove(archive)
        release = os.listdir(os.path.join(folder, "lib/modules"))[0]
        run(["depmod", "-b", folder, release], folder, "list what modules need")
        kept = os.path.join(cache, package)
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(folder, kept, symlinks=True)


def module_order(root):
    """Files of MODULES and of all that they need, in an order in which they load."""
    folder = glob.glob(os.path.join(root, "lib/modules/*"))[0]
    needs = {}
    with open(os.path.join(folder, "modules.dep"), encoding="utf-8") as listing:
        for line in listing:
            path, rest = line.split(":")
            needs[path] = rest.split()
    by_name = {os.path.basename(path).split(".")[0]: path for path in needs}
    order = []
    for name in MODULES:
        if name not in by_name:
            raise KernelError(f"the kernel package in {root} has no module {name}; remove the folder to fetch another")
        for path in [*reversed(needs[by_name[name]]), by_name[name]]:
            if path not in order:
                order.append(path)
    return [os.path.join(folder, path) for path in order]


def unpacked(cache, say):
    """(vmlinuz, modules in loading order), from the cache where it has them."""
    if not glob.glob(os.path.join(cache, "linux-image-*")):
        fetch(cache, say)
    root = sorted(glob.glob(os.path.join(cache, "linux-image-*")))[-1]
    return glob.glob(os.path.join(root, "boot/vmlinuz-*"))[0], module_order(root)
