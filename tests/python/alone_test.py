#!/usr/bin/env python3
"""Sessions of one rank: use in the wrong order, in other threads and processes, with other libraries; what outlives
what.

Goal: whatever a program does wrong is an exception that says so, and never a crash or a hang. Method: each mistake
once; those that could end the interpreter, or that need it to end, in a child.
"""
import asyncio
import concurrent.futures
import gc
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock
import warnings
import weakref

import support
import numpy
import gossamer
from gossamer import _library


def alone(**settings):
    return gossamer.Session(rank=0, rank_count=1, **settings)


class Library(support.Case):
    def test_a_library_that_is_nowhere_is_an_error_that_says_what_was_tried(self):
        status, out, _ = support.run_child(
            "import gossamer\ntry: gossamer.version()\nexcept ImportError as e: print(e)",
            GOSSAMER_LIBRARY="/nowhere/libgossamer.so",
        )
        self.assertEqual(status, 0)
        for words in ("was not found", "/nowhere/libgossamer.so (GOSSAMER_LIBRARY)", "set GOSSAMER_LIBRARY"):
            self.assertIn(words, out)

    def test_a_library_of_another_version_or_without_a_function_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            for version, words in (
                ("9.9.0", "is version 9.9.0, but this package was made from the header of"),
                (gossamer.__version__, "has no function gossamer_"),
            ):
                path = os.path.join(folder, f"lib{version}.so")
                subprocess.run(
                    [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-x", "c", "-", "-o", path],
                    check=True,
                    text=True,
                    input=f'const char* gossamer_version(void) {{ return "{version}"; }}',
                )
                status, out, _ = support.run_child(
                    "import gossamer\ntry: gossamer.Session()\nexcept gossamer.LibraryError as e: print(e)",
                    GOSSAMER_LIBRARY=path,
                )
                self.assertEqual(status, 0)
                self.assertIn(words, out)
                self.assertIn(path, out)

    def test_the_module_explains_the_installation(self):
        done = subprocess.run(
            [sys.executable, "-m", "gossamer"], capture_output=True, text=True, timeout=120, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        for words in ("library", gossamer.version(), "ucx", "works (a session of one rank)", "numpy"):
            self.assertIn(words, done.stdout)
        done = subprocess.run(
            [sys.executable, "-m", "gossamer", "--json"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "GOSSAMER_LIBRARY": "/nowhere"},
        )
        self.assertEqual(done.returncode, 1)
        self.assertIn('"schema": "gossamer.python/1"', done.stdout)
        self.assertIn("was not found", done.stderr)

    def test_a_failure_is_an_exception_of_its_status_that_can_be_sent_to_another_process(self):
        error = gossamer.PeerLostError("rank 2 is lost", 2, None)
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual(
            (type(again), str(again), again.rank, again.index, again.status),
            (gossamer.PeerLostError, "rank 2 is lost", 2, None, gossamer.Status.PEER_LOST),
        )
        self.assertTrue(issubclass(gossamer.InvalidArgumentError, ValueError))
        self.assertTrue(issubclass(gossamer.DeadlineError, TimeoutError))
        failed = [each for each in gossamer.Status if each not in (gossamer.Status.DONE, gossamer.Status.PENDING)]
        self.assertEqual({kind.status for kind in _library.interface.ERRORS.values()}, set(failed))


class Ends(support.Case):
    def everything(self, session):
        x, w = numpy.ones(6), {"w": numpy.zeros(100, "f4")}
        sum_ = session.make_all_reduce(x)
        compressor = session.make_compressor(w, density=0.1)
        operation = compressor.start(w)
        update = operation.wait()
        scatter = session.make_reduce_scatter(x)
        group = session.make_group([0])
        return [
            lambda: session.all_reduce(x),
            lambda: session.broadcast(x),
            lambda: session.check_equal("x", x),
            session.barrier,
            lambda: session.allocate(3),
            lambda: session.make_group([0]),
            lambda: session.make_all_reduce(x),
            lambda: session.make_compressor(w),
            lambda: session.make_all_reduce(x, group=group),
            sum_.start,
            lambda: compressor.start(w),
            lambda: compressor.compress(w),
            compressor.reduce,
            compressor.recover,
            compressor.stats,
            lambda: update.apply(w),
            lambda: update.values,
            lambda: update.indices,
            scatter.slice,
        ]

    def test_every_call_after_the_end_is_an_error(self):
        session = alone()
        calls = self.everything(session)
        session.close()
        session.close()
        self.assertTrue(session.is_closed)
        for number, call in enumerate(calls):
            with self.fails(gossamer.InvalidArgumentError, "closed"):
                call()
                self.fail(f"call {number}")

    def test_every_call_with_a_plan_that_was_closed_is_an_error_and_the_session_goes_on(self):
        with alone() as session:
            w = {"w": numpy.zeros(100, "f4")}
            with session.make_compressor(w) as compressor, session.make_all_reduce(numpy.ones(3)) as sum_:
                update = compressor.start(w).wait()
            for call in (
                compressor.reduce,
                compressor.stats,
                sum_.start,
                lambda: update.apply(w),
                lambda: update.values,
                lambda: compressor.compress(w),
            ):
                with self.fails(gossamer.InvalidArgumentError, "is closed"):
                    call()
            session.barrier()

    def test_an_update_is_gone_with_the_next_reduce(self):
        with alone() as session:
            w = {"w": numpy.zeros(100, "f4")}
            compressor = session.make_compressor(w, algorithm="dense")
            first = compressor.start({"w": numpy.ones(100, "f4")}).wait()
            kept = first.values
            second = compressor.start({"w": numpy.full(100, 2, "f4")}).wait()
            with self.fails(gossamer.InvalidArgumentError, "an earlier operation"):
                first.apply(w)
            self.assertEqual((kept[0], second.values[0], second.indices), (1, 2, None))

    def test_a_session_that_is_forgotten_warns_and_leaves(self):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            session = alone()
            gone = weakref.ref(session)
            del session
            gc.collect()
        self.assertIsNone(gone())
        self.assertTrue(
            any(issubclass(each.category, ResourceWarning) and "was not closed" in str(each.message) for each in seen)
        )

    def test_memory_of_operations_in_flight_stays_until_the_library_has_let_go(self):
        session, there = alone(), []
        arrays = [numpy.ones(5) for _ in range(3)]
        left = [weakref.ref(each) for each in arrays]
        for each in arrays:
            session.make_all_reduce(each).start()
        del arrays, each
        finalize = session._library.gossamer_finalize

        def look_and_finalize(handle):
            there.extend(each() is not None for each in left)
            return finalize(handle)

        with unittest.mock.patch.object(session._library, "gossamer_finalize", look_and_finalize):
            session.close()
        self.assertEqual(there, [True] * 3)
        gc.collect()
        self.assertEqual([each() for each in left], [None] * 3)

    def test_an_operation_that_has_ended_or_failed_may_be_awaited(self):
        with alone() as session:
            plan, compressor = session.make_all_reduce(numpy.ones(3)), session.make_compressor({"w": 10})

            async def main():
                operation = plan.start()
                self.assertEqual((await operation).sum(), (await operation).sum())
                with self.fails(gossamer.NotFiniteError):
                    await compressor.start([numpy.full(10, numpy.nan, "f4")])

            asyncio.run(main())
        with self.fails(gossamer.InvalidArgumentError, "closed"):
            asyncio.run(main())

    def test_a_program_may_end_with_everything_open(self):
        def end_by(ending):
            return support.run_child(
                "import sys, numpy, gossamer\n"
                "s = gossamer.Session(rank=0, rank_count=1)\nx = s.allocate(10)\n"
                "p = s.make_all_reduce(x)\no = p.start()\n"
                "gossamer.set_log('debug', lambda level, line: None)\n" + ending
            )

        endings = {"": 0, "sys.exit(3)": 3, "raise RuntimeError('mine')": 1}
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for expected, (status, _, err) in zip(endings.values(), pool.map(end_by, endings)):
                self.assertEqual(status, expected, err)

    def test_an_array_of_allocate_keeps_the_session_until_it_goes(self):
        session = alone()
        x = session.allocate((2, 3), "f8")
        self.assertEqual((x.shape, x.dtype, x.ctypes.data % 64, x.any()), ((2, 3), numpy.float64, 0, False))
        plan = session.make_all_reduce(x)
        part = x[1:]
        del x
        with self.fails(BufferError, "1 arrays of allocate() are in use, the first of 48 B"):
            session.close()
        part[:] = 1
        self.assertEqual(plan().sum(), 3)
        del part
        session.close()  # what the plan alone has does not count

    def test_memory_of_allocate_is_freed_with_its_last_array_and_plan(self):
        with alone() as session:
            x = session.allocate(1000)
            plan = session.make_all_reduce(x)
            del x
            self.assertEqual(len(session._blocks), 1)
            plan.close()
            plan.output = None
            self.assertEqual(len(session._blocks), 0)

    def test_an_exception_within_the_block_is_not_hidden_by_arrays_that_it_holds(self):
        def work():
            with alone() as session:
                x = session.allocate(10)
                self.session = session
                raise KeyError(len(x))

        with self.fails(KeyError):
            work()
        gc.collect()
        self.assertTrue(self.session.is_closed)

    def test_buffers_live_as_long_as_what_was_made_on_them(self):
        with alone() as session:
            x = numpy.ones(1000)
            gone = weakref.ref(x)
            operation = session.make_all_reduce(x).start()  # nobody else has the plan or the array
            del x
            gc.collect()
            self.assertIsNotNone(gone())
            self.assertEqual(operation.wait().sum(), 1000)
            del operation
            gc.collect()
            self.assertIsNone(gone())


class Mistakes(support.Case):
    def setUp(self):
        self.session = alone()

    def tearDown(self):
        self.session.close()

    def test_arrays_that_do_not_fit_are_refused_by_name(self):
        make, x = self.session.make_all_reduce, numpy.ones(6)
        for call, words in (
            (lambda: make(x.astype("f4"), x), ("input has elements of type f64 and output of f32",)),
            (lambda: make(x, numpy.ones(7)), ("input has 7 elements (shape (7,)) and output 6",)),
            (lambda: make(x.astype("u2")), ("output has elements of type 'H': expected f32",)),
            (lambda: make(x, type="bf16"), ("output has elements of type 'd': expected bf16",)),
            (lambda: make(x[1:], x[:-1]), ("input and output overlap",)),
            (lambda: make(None), ("output",)),
            (lambda: self.session.make_reduce_scatter(numpy.ones(5), x), ("output has 5 elements", "slice of 6")),
            (lambda: gossamer.Collective(self.session, "barrier", x), ("output given to a barrier",)),
            (lambda: gossamer.Collective(self.session, "sum", x), ("kind is 'sum': expected one of CollectiveKind",)),
            (lambda: make(x, graph=gossamer.Graph("ring")), ("NEIGHBOR_REDUCE",)),
            (
                lambda: self.session.make_neighbor_reduce(x, graph=gossamer.Graph("matrix", shares=numpy.ones((3, 3)))),
                ("shares has shape (3, 3), and 1 ranks take part",),
            ),
            (lambda: self.session.make_broadcast(x, root=5), ("root",)),
            (lambda: self.session.make_group([0, 1]), ("ranks[1] is 1",)),
            (lambda: self.session.make_group([]), ("empty",)),
            (lambda: self.session.all_reduce(numpy.ones(3, bool)), ("data has elements of type '?'",)),
            (lambda: self.session.all_reduce(x, "bit-or"), ("bit",)),
            (lambda: self.session.barrier(timeout=-1), ("timeout is -1 s",)),
            (lambda: make(support.FakeCuda()), ("output is in CUDA memory: expected host memory",)),
            (lambda: self.session.all_reduce(x[::2]), ("data is not contiguous",)),
            (lambda: self.session.broadcast(b"constant", root=1), ("data is read-only",)),
        ):
            with self.subTest(words), self.fails(gossamer.InvalidArgumentError, *words):
                call()

    def test_gradients_and_weights_that_do_not_fit_are_refused_by_name(self):
        w = {"w": numpy.zeros((4, 5), "f4"), "b": numpy.zeros(5, "f4")}
        compressor = self.session.make_compressor(w, exact=["b"])
        self.assertEqual(compressor.tensors, [gossamer.Tensor("w", 20), gossamer.Tensor("b", 5, True)])
        read_only = numpy.zeros((4, 5), "f4")
        read_only.flags.writeable = False
        update = compressor.start(w).wait()
        for call, words in (
            (lambda: compressor.compress([w["w"]]), ("gradients has 1 arrays: expected 2",)),
            (lambda: compressor.compress({"w": w["w"]}), ("gradients has none for b",)),
            (lambda: compressor.compress({**w, "c": w["b"]}), ("gradients has c",)),
            (
                lambda: compressor.compress([w["w"], numpy.zeros(4, "f4")]),
                ("gradients['b'] has 4 elements", "expected 5"),
            ),
            (
                lambda: compressor.compress([w["w"].astype("f8"), w["b"]]),
                ("gradients['w'] has elements of type 'd' (f64)",),
            ),
            (lambda: compressor.compress([w["w"].T, w["b"]]), ("gradients['w'] is not contiguous",)),
            (lambda: compressor.compress([support.FakeCuda((4, 5)), w["b"]]), ("gradients['w'] is in CUDA memory",)),
            (lambda: update.apply([read_only, w["b"]]), ("weights['w'] is read-only",)),
            (lambda: self.session.make_compressor(w, exact=["c"]), ("exact names c",)),
            (lambda: self.session.make_compressor(w, momentum=-0.5), ("momentum is -0.5",)),
            (lambda: self.session.make_compressor(w, stream=4096), ("a stream is given, but memory is host",)),
            (
                lambda: self.session.make_compressor(w, algorithm="adam"),
                ("algorithm is 'adam': expected one of Algorithm",),
            ),
            (lambda: self.session.make_compressor({}), ("tensor",)),
            (lambda: self.session.make_compressor({"w": "x"}), ("tensor 0 is",)),
            (lambda: self.session.make_compressor(w, density=2.0), ("density",)),
        ):
            with self.subTest(words), self.fails(gossamer.InvalidArgumentError, *words):
                call()
        with self.fails(TypeError, "gradients['b'] is a list"):
            compressor.compress([w["w"], [0.0] * 5])

    def test_a_gradient_that_is_not_finite_says_tensor_rank_and_index(self):
        compressor = self.session.make_compressor({"w": 100})
        bad = numpy.zeros(100, "f4")
        bad[7] = numpy.nan
        operation = compressor.start([bad])
        for _ in range(2):  # and again
            with self.fails(gossamer.NotFiniteError, "w") as seen:
                operation.wait()
            self.assertEqual((seen.error.rank, seen.error.index), (0, 7))
        self.assertTrue(operation.done)
        compressor.step([numpy.ones(100, "f4")], [bad], 0.1)

    def test_a_state_that_is_damaged_or_of_another_model_is_refused(self):
        compressor = self.session.make_compressor({"w": 100}, name="first")
        compressor.step([numpy.ones(100, "f4")], [numpy.zeros(100, "f4")], 0.1)
        state = bytearray(compressor.save())
        compressor.load(bytes(state))
        with self.fails(gossamer.MismatchError, "v"):
            self.session.make_compressor({"v": 100}).load(state)
        state[len(state) // 2] ^= 1
        for damaged in (state, state[:20], b""):
            with self.fails(gossamer.MalformedError):
                compressor.load(damaged)
        with self.fails(TypeError, "states[0] is a str"):
            compressor.load("path")
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "state")
            compressor.save_file(path)
            compressor.load_files(path)
            with self.fails(gossamer.MismatchError, "v"):
                self.session.make_compressor({"v": 100}).load_files(path)
            path.write_bytes(path.read_bytes()[:-1])
            with self.fails(gossamer.MalformedError, str(path)):
                compressor.load_files(str(path))
            for call, kind, words in (
                (lambda: compressor.load_files(path.with_name("none")), gossamer.UnavailableError, "none"),
                (lambda: compressor.save_file(path / "beneath"), gossamer.UnavailableError, "beneath"),
                (lambda: compressor.load_files(path, 5), TypeError, "paths[1] is a int: expected a path"),
                (lambda: compressor.save_file("a\0b"), gossamer.InvalidArgumentError, "file is 'a"),
            ):
                with self.fails(kind, words):
                    call()

    def test_a_report_says_what_was_done(self):
        compressor = self.session.make_compressor({"w": 100}, name="the one")
        compressor.step([numpy.ones(100, "f4")], [numpy.zeros(100, "f4")], 0.1)
        report = self.session.report()
        self.assertEqual(
            (report["schema"], report["rank"], report["compressors"][0]["name"]), ("gossamer.session/1", 0, "the one")
        )
        self.assertEqual(report["compressors"][0]["operations"], 1)

    def test_settings_that_are_wrong_are_errors_before_anything_is_joined(self):
        for settings, words in (
            ({"rank": -2, "rank_count": 1}, "rank is -2"),
            ({"progress": "often"}, "progress is 'often'"),
            ({"lease": 0}, "lease is 0 s"),
            ({"transport": "pigeons"}, "pigeons"),
            ({"rendezvous": 5}, "rendezvous is 5"),
        ):
            with self.fails(gossamer.InvalidArgumentError, words):
                gossamer.Session(**{"rank": 0, "rank_count": 1, **settings})
        with self.fails(gossamer.InvalidArgumentError, "unique_id has 3 B: expected the 128 B"):
            gossamer.Session.from_id(b"abc", 0, 1)
        with self.fails(gossamer.InvalidArgumentError, "NULL, expected one of them"):
            gossamer.Session.from_calls(0, 1)


class Processes(support.Case):
    def test_a_second_session_is_independent_of_the_first(self):
        with alone() as first:
            second = alone()
            x = numpy.ones(3)
            plan = first.make_all_reduce(x)
            second.close()
            self.assertEqual(plan().sum(), 3)

    def test_a_forked_child_gets_errors_and_can_end(self):
        status, out, err = support.run_child(
            """
import os, sys, numpy, gossamer
session = gossamer.Session(rank=0, rank_count=1)
x = numpy.ones(3)
plan, w = session.make_all_reduce(x), {"w": numpy.zeros(10, "f4")}
compressor = session.make_compressor(w)
child = os.fork()
if child == 0:
    count = 0
    for call in (plan.start, session.barrier, lambda: compressor.compress(w), lambda: session.all_reduce(x),
                 lambda: session.make_all_reduce(x), lambda: gossamer.Session(rank=0, rank_count=1)):
        try: call()
        except gossamer.InvalidArgumentError as error: count += "forked" in str(error)
    print("errors", count, flush=True)
    plan.close(); session.close()
    sys.exit(0)
print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
assert plan().sum() == 3
session.close()
"""
        )
        self.assertEqual((status, out.split("\n")[:2]), (0, ["errors 6", "child 0"]), out + err)

    def test_a_call_from_another_thread_meanwhile_is_refused(self):
        with alone() as session:
            self.assertTrue(session._lock.acquire())  # as a call does
            raised = []

            def other():
                try:
                    session.barrier()
                except gossamer.InvalidArgumentError as error:
                    raised.append(str(error))

            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
            session._lock.release()
            self.assertIn("another thread is in a call of this session", raised[0])
            results = []  # in turns, any thread may
            thread = threading.Thread(target=lambda: results.append(session.all_reduce(2)))
            thread.start()
            thread.join()
            self.assertEqual(results, [2])

    def test_garbage_of_another_thread_does_not_come_in_between(self):
        with alone() as session:
            plan = session.make_all_reduce(numpy.ones(3))
            with session._lock:
                thread = threading.Thread(target=plan.__del__)
                thread.start()
                thread.join()
                self.assertEqual(len(session._later), 1)
            plan._handle = None
            session.barrier()
            self.assertEqual(session._later, [])

    def test_ctrl_c_ends_joining_at_once_and_the_program_in_good_order(self):
        # Rank 1 never comes. The session's thread is still in the library when the program ends.
        port = support.free_port()
        status, out, err = support.run_child(
            f"""
import os, signal, threading, time, gossamer
threading.Timer(.3, os.kill, (os.getpid(), signal.SIGINT)).start()
began = time.monotonic()
try: gossamer.Session(rank=0, rank_count=2, rendezvous="127.0.0.1:{port}", init_timeout=20)
except KeyboardInterrupt: print("interrupted", time.monotonic() - began < 5)
"""
        )
        self.assertEqual((status, out), (0, "interrupted True\n"), err)

    def test_ctrl_c_before_the_program_has_a_session_is_pythons(self):
        gossamer.version()
        support.interrupt_soon(0.05)
        with self.fails(KeyboardInterrupt):
            time.sleep(10)
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)

    def test_the_log_goes_to_the_programs_sink_or_to_logging(self):
        lines = []
        gossamer.set_log("debug", lambda level, line: lines.append((level, line)))
        alone().close()
        gossamer.set_log(None)
        self.assertTrue(lines)
        self.assertIsInstance(lines[0][0], gossamer.LogLevel)
        with self.assertLogs("gossamer", "DEBUG"):
            gossamer.set_log("debug")
            alone().close()
        gossamer.set_log(None)

    def test_an_id_and_calls_of_the_program_join_too(self):
        with gossamer.Session.from_id(gossamer.unique_id(), 0, 1) as session:
            self.assertEqual(session.all_reduce(5), 5)
        with gossamer.Session.from_calls(0, 1, broadcast=lambda data, root: None) as session:
            self.assertEqual((session.rank, session.rank_count), (0, 1))
        with self.fails(gossamer.InvalidArgumentError, "mpi4py.MPI is not imported"):
            gossamer.Session.from_mpi()


if __name__ == "__main__":
    unittest.main()
