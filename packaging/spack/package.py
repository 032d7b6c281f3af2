# A Spack recipe: `spack repo create mine`, this file as mine/packages/gossamer/package.py, `spack install gossamer`. Untested: there is
# no release to fetch yet, so `git` names a clone of yours (spack dev-build works too).
from spack.package import *


class Gossamer(CMakePackage):
    """Gradient exchange between peers without a parameter server."""

    homepage = "https://gossamer.invalid"
    git = "file:///path/to/a/clone"

    version("main", branch="main")

    variant("libfabric", default=True, description="the libfabric transport besides UCX")
    variant("cuda", default=False, description="CUDA kernels of the sketch")
    variant("tools", default=True, description="the gossamer command")

    depends_on("cxx", type="build")
    depends_on("c", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("ninja", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("python@3.9:", type="build")  # manual pages and the Fortran module
    depends_on("ucx@1.13:")
    depends_on("libfabric@1.17:", when="+libfabric")
    depends_on("cuda@12:", when="+cuda")
    depends_on("highway")
    depends_on("xxhash")
    depends_on("libsodium")
    depends_on("hwloc@2:")
    depends_on("protobuf")
    depends_on("boost@1.74:")
    depends_on("cli11", when="+tools")
    depends_on("nlohmann-json", when="+tools")
    depends_on("eigen@3:", when="+tools")
    depends_on("zlib-api", when="+tools")

    conflicts("%gcc@:10", msg="Gossamer is written in C++20")

    def cmake_args(self):
        return [
            self.define("GOSSAMER_BUILD_TESTS", False),
            self.define_from_variant("GOSSAMER_BUILD_TOOLS", "tools"),
            self.define("GOSSAMER_CUDA", "ON" if "+cuda" in self.spec else "OFF"),
            self.define("GOSSAMER_LIBFABRIC", "ON" if "+libfabric" in self.spec else "OFF"),
        ]
