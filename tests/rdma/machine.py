"""One run of the virtual machine: its console as lines, its end as an exit status."""
import os
import re
import select
import subprocess
import time

EMULATOR = "qemu-system-x86_64"
EXIT_LINE = re.compile(rb"rdma-guest: exit status (\d+)\s*$")  # said by guest/init


def processor():
    """The emulated processor: all that qemu emulates, without what this host lacks.

    The training example computes with AVX2 where it can, and its bits are compared with those of a run on this host.
    """
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = set(re.search(r"^flags\s*:(.*)$", file.read(), re.MULTILINE).group(1).split())
    return "max" + "".join(f",-{each}" for each in ("avx2", "fma") if each not in flags)


def command(kernel, image):
    # Software emulation: a machine that is virtual itself may have /dev/kvm and still not boot a stock kernel with it.
    # It must not outlive this program, however that ends.
    return ["setpriv", "--pdeathsig", "KILL",
            EMULATOR, "-accel", "tcg,thread=multi", "-cpu", processor(), "-smp", "2", "-m", "1024", "-nodefaults",
            "-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", kernel, "-initrd", image,
            "-append", "console=ttyS0 panic=-1 quiet mitigations=off"]


def boot(kernel, image, deadline_s, take_line):
    """Runs the machine to its end and gives its console to `take_line`, line by line.

    Returns (exit status, None), or (None, why there is none). No emulator is left, whatever is raised meanwhile.
    """
    end = time.monotonic() + deadline_s
    status = None
    late = None, f"it did not end within {deadline_s:g} s; a slow host needs a longer --deadline"
    with subprocess.Popen(command(kernel, image), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as emulator:
        try:
            rest = b""
            while True:
                left = end - time.monotonic()
                if left <= 0 or not select.select([emulator.stdout], [], [], left)[0]:
                    return late
                data = os.read(emulator.stdout.fileno(), 65536)
                if not data:
                    break
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    found = EXIT_LINE.search(line)
                    status = int(found.group(1)) if found else status
                    if not found:
                        take_line(line.decode(errors="replace").rstrip("\r"))
            code = emulator.wait(max(end - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            return late
        finally:
            emulator.kill()
    if status is not None:
        return status, None
    return None, f"it ended without an exit status ({EMULATOR} ended with {code}): it crashed, or the kernel panicked"
