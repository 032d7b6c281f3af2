"""The machine's file system: a cpio archive ("newc", Documentation/driver-api/early-userspace/buffer-format.rst)."""
import os
import stat
import subprocess


class ImageError(Exception):
    """What cannot be put into the image."""


def shared_libraries(program):
    """Paths of the libraries that the dynamic linker would load for `program`, itself included."""
    listing = subprocess.run(["ldd", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if "not a dynamic executable" in listing.stdout or "statically linked" in listing.stdout:
        return []
    missing = [line.strip() for line in listing.stdout.splitlines() if "not found" in line]
    if listing.returncode != 0 or missing:
        raise ImageError(f"{program} cannot be run here: {'; '.join(missing) or listing.stdout.strip()}")
    paths = []
    for line in listing.stdout.splitlines():
        words = line.split()
        paths += [word for word in words if word.startswith("/")][:1]
    return paths


class Image:
    """Files by their path in the machine. Nothing is written before `write`, and no root is needed."""

    def __init__(self):
        self.entries = {}  # path: (mode, bytes or path on this host, device)

    def add_folder(self, path, mode=0o755):
        if path and path not in self.entries:
            self.add_folder(os.path.dirname(path))
            self.entries[path] = (stat.S_IFDIR | mode, b"", (0, 0))

    def add_text(self, path, text, mode=0o644):
        self.add_folder(os.path.dirname(path))
        self.entries[path] = (stat.S_IFREG | mode, text.encode(), (0, 0))

    def add_link(self, path, target):
        self.entries[path] = (stat.S_IFLNK | 0o777, target.encode(), (0, 0))

    def add_device(self, path, major, minor):
        self.add_folder(os.path.dirname(path))
        self.entries[path] = (stat.S_IFCHR | 0o600, b"", (major, minor))

    def add_file(self, path, source):
        """`source` is followed where it is a link, and read when the image is written."""
        self.add_folder(os.path.dirname(path))
        mode = os.stat(source).st_mode & 0o777
        self.entries[path] = (stat.S_IFREG | mode, os.path.realpath(source), (0, 0))

    def add_program(self, path, source):
        """A program or a plugin, with the libraries that it needs, each where the linker looks for it here."""
        self.add_file(path, source)
        for library in shared_libraries(source):
            target = library.lstrip("/")
            if target not in self.entries:
                self.add_file(target, library)

    def write(self, path):
        with open(path, "wb") as out:
            for number, (name, (mode, content, device)) in enumerate(self.entries.items(), 1):
                if isinstance(content, str):
                    with open(content, "rb") as file:
                        content = file.read()
                write_entry(out, number, name, mode, content, device)
            write_entry(out, 0, "TRAILER!!!", 0, b"", (0, 0))


def write_entry(out, number, name, mode, content, device):
    #         inode   mode  uid gid links mtime  size          device of the file, then of the entry   name length  sum
    fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, device[0], device[1], len(name) + 1, 0]
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    out.write(header + bytes(-len(header) % 4) + content + bytes(-len(content) % 4))
