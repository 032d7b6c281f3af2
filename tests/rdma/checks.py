"""What runs in the machine, as data, and the shell script that /init runs there."""
import dataclasses
import shlex


@dataclasses.dataclass(frozen=True)
class Stack:
    """A way to the adapter: the conformance backend's name, and how a session is told to take it."""
    backend: str
    title: str
    environment: dict


# GID index 0 is the link-local address; with others UCX 1.13 aborts on soft-RoCE.
# Short receive queues: at UCX's defaults each transport takes 35 MB and a second of emulated time to fill them.
UCX_DEVICE = {"UCX_NET_DEVICES": "rxe0:1,lo", "UCX_IB_GID_INDEX": "0", "UCX_RC_VERBS_RX_QUEUE_LEN": "512",
              "UCX_UD_VERBS_RX_QUEUE_LEN": "512"}

STACKS = (
    Stack("ucx_rc_verbs", "UCX rc_verbs", {"UCX_TLS": "rc_verbs,ud_verbs", **UCX_DEVICE}),
    # Small queues: at its defaults libfabric asks for a completion queue that is longer than soft-RoCE allows.
    Stack("libfabric_verbs", "libfabric verbs;ofi_rxm",
          {"GOSSAMER_TRANSPORT": "libfabric", "GOSSAMER_LIBFABRIC_PROVIDER": "verbs;ofi_rxm", "FI_UNIVERSE_SIZE": "8",
           "FI_OFI_RXM_MSG_TX_SIZE": "64", "FI_OFI_RXM_MSG_RX_SIZE": "64"}),
)

# Tests that are left out in the machine: a pattern of GoogleTest, and why.
LEFT_OUT = {
    # Not with long messages by writes, but then their bytes are wrong over verbs (transport/libfabric/provider.cc).
    "*SurvivorGoesOnWithoutTheDead/libfabric_verbs_large":
        "ofi_rxm 1.17 crashes when the peer of a half-read long message dies",
    "*AMessageOf256MebibytesArrivesWhole*": "the protocol of the 8 MiB that another test sends, 32 times as long",
}

TESTS_LIMIT_S = 150
TRAIN_LIMIT_S = 60

# A model of layers so narrow that no sum over a layer is split into blocks: Eigen takes the blocks' size from the
# processor's caches, and the machine has others. Deep enough that a dense exchange takes several protocols.
# One schedule for both: sums have its bits, and ranks of a host would merge in an order of their own.
TRAIN = ("train", "--schedule", "circulant", "--dataset", "synthetic", "--samples", "128",
         "--hidden", "64,64,64,64,64,64", "--batch", "8", "--steps", "4", "--epochs", "1", "--timeout", str(TRAIN_LIMIT_S))
RANKS_AND_ALGORITHMS = ((2, "gs-sgd,dense"), (4, "gs-sgd"))


def train_arguments(ranks, algorithms, dump):
    return [*TRAIN, "--ranks", str(ranks), "--algorithm", algorithms, "--dump", dump]


def test_filter(backend):
    left_out = ":".join(LEFT_OUT)
    return f"*/{backend}:*/{backend}_*" + (f":-{left_out}" if left_out else "")


# `check TITLE SECONDS COMMAND...` runs one; the machine ends with the number of those that failed.
PROLOGUE = """\
failed=0
set -o pipefail
check() {
  title=$1
  limit=$2
  shift 2
  begin=$(date +%s)
  echo "rdma-guest: $title"
  # A pipe, since the console would get progress lines.
  timeout -k 5 "$limit" "$@" 2>&1 </dev/null | cat
  status=$?
  [ "$status" -eq 0 ] && return
  failed=$((failed + 1))
  # Not by the status: busybox's timeout gives the command's own.
  [ $(($(date +%s) - begin)) -lt "$limit" ] || echo "rdma-guest: it ran longer than $limit s"
  echo "rdma-guest: FAILED with status $status: $title"
}
"""


def script(stacks, expected_folder):
    """The checks, in order. `expected_folder` has, for each number of ranks, what sha256sum -c reads."""
    lines = [PROLOGUE]
    for stack in stacks:
        settings = ["env", *(f"{name}={value}" for name, value in stack.environment.items())]

        def check(title, limit_s, *command):
            lines.append(" ".join(["check", *map(shlex.quote, [f"{stack.title}: {title}", str(limit_s), *command])]))

        check("conformance tests", TESTS_LIMIT_S, *settings, "GOSSAMER_TEST_RDMA=1", "/bin/transport_tests",
              f"--gtest_filter={test_filter(stack.backend)}")
        for ranks, algorithms in RANKS_AND_ALGORITHMS:
            lines.append("rm -rf /tmp/weights")
            check(f"{ranks} ranks train with {algorithms}", TRAIN_LIMIT_S, *settings, "gossamer",
                  *train_arguments(ranks, algorithms, "/tmp/weights"))
            check(f"{ranks} ranks end with the bits of the host", 10, "sha256sum", "-c", f"{expected_folder}/{ranks}")
    lines.append('exit "$failed"')
    return "\n".join(lines) + "\n"
