#!/usr/bin/env python3
"""The package on several ranks: run by `gossamer run -n P`, each rank runs every test, in the same order.

Goal: results are those of numpy over all ranks, and what goes wrong on one rank is an error on all, soon. Method: each
rank makes the data of all ranks from seeds; one session for all tests, but where a test ends it.
"""
import asyncio
import os
import select
import sys
import tempfile
import threading
import time
import unittest

import support
import numpy
import gossamer

session = None
rank, ranks = int(os.environ["GOSSAMER_RANK"]), int(os.environ["GOSSAMER_RANK_COUNT"])


def setUpModule():
    global session
    session = gossamer.Session()


def tearDownModule():
    session.close()


def join_another(**settings):
    """A second session of the same ranks."""
    made = bytearray(gossamer.unique_id() if rank == 0 else bytes(128))
    return gossamer.Session.from_id(bytes(session.broadcast(made)), rank, ranks, **settings)


def vector(of_rank, count, kind="f8"):
    return numpy.random.default_rng(of_rank + 1).integers(-50, 50, count).astype(kind)  # sums are exact


def everyones(count, kind="f8"):
    return numpy.stack([vector(each, count, kind) for each in range(ranks)])


class Collectives(support.Case):
    def test_the_session_is_the_launchers(self):
        self.assertEqual((session.rank, session.rank_count), (rank, ranks))

    def test_one_off_calls_work_in_place_on_any_shape(self):
        for kind, op, expected in (
            ("f4", "sum", everyones(6, "f4").sum(0)),
            ("i8", "max", everyones(6, "i8").max(0)),
            ("f8", "mean", everyones(6).mean(0)),
            ("u1", "bit-or", None),
            ("f2", "min", everyones(6).min(0)),
        ):
            x = vector(rank, 6, kind).reshape(2, 3)
            self.assertIs(session.all_reduce(x, op), x)
            if expected is not None:
                numpy.testing.assert_array_equal(x, expected.reshape(2, 3))
        self.assertEqual(session.all_reduce(rank), ranks * (ranks - 1) // 2)
        self.assertEqual(session.all_reduce(float(rank), "mean"), (ranks - 1) / 2)
        words = bytearray(b"of the root" if rank == 0 else b"of no one..")
        self.assertEqual(session.broadcast(words), b"of the root")
        session.broadcast(b"read-only, on the root alone" if rank == 0 else bytearray(28))
        session.check_equal("words", words)
        session.barrier()

    def test_every_kind_of_collective_gives_what_numpy_gives(self):
        count = 1003
        own, every = vector(rank, count), everyones(count)
        out = numpy.empty(count)
        numpy.testing.assert_array_equal(session.make_all_reduce(out, own)(), every.sum(0))
        numpy.testing.assert_array_equal(own, vector(rank, count))
        root = ranks - 1
        reduced = session.make_reduce(out if rank == root else None, own, "max", root)()
        if rank == root:
            numpy.testing.assert_array_equal(reduced, every.max(0))
        numpy.testing.assert_array_equal(session.make_broadcast(own.copy(), root)(), every[root])
        scatter = session.make_reduce_scatter(own.copy())
        part = scatter.slice()
        numpy.testing.assert_array_equal(scatter(), every.sum(0)[part])
        slice_ = numpy.empty(part.stop - part.start)
        numpy.testing.assert_array_equal(session.make_reduce_scatter(slice_, own)(), every.sum(0)[part])
        numpy.testing.assert_array_equal(session.make_all_gather(out, slice_)(), every.sum(0))
        self.assertEqual(sum(scatter.slice(each).stop - scatter.slice(each).start for each in range(ranks)), count)
        self.assertIsNone(session.make_barrier()())
        self.assertIsNone(gossamer.Collective(session, gossamer.CollectiveKind.BARRIER).start().wait())

    def test_numbers_of_16_bits_travel_as_what_they_are_called(self):
        x = numpy.full(5, 0x3F80, "u2")  # 1.0 as bf16
        session.make_all_reduce(x, type="bf16")()
        self.assertEqual(x[0], {1: 0x3F80, 2: 0x4000, 4: 0x4080}[ranks])

    def test_operations_of_several_collectives_are_in_flight_at_once(self):
        vectors = [numpy.full(1000, float(i)) for i in range(8)]
        plans = [session.make_all_reduce(x) for x in vectors]
        operations = {i: plans[i].start() for i in sorted(range(8), key=lambda i: (i + rank) % 8)}
        for i in range(8):
            numpy.testing.assert_array_equal(operations[i].wait(), vectors[i])
            self.assertEqual(vectors[i][0], i * ranks)

    def test_a_plan_that_is_in_flight_refuses_a_second_start(self):
        x = numpy.ones(10)
        plan = session.make_all_reduce(x)
        if rank == 0 and ranks > 1:  # nobody else has started it
            operation = plan.start()
            with self.fails(gossamer.BusyError, "in flight"):
                plan.start()
            self.assertFalse(operation.done)
            session.barrier()
        else:
            session.barrier()
            operation = plan.start()
        self.assertEqual(operation.wait()[0], ranks)
        self.assertTrue(operation.test())

    def test_groups_reduce_among_themselves(self):
        own = list(range(rank % 2, ranks, 2))[::-1]
        group = session.make_group(own)
        x = vector(rank, 10)
        numpy.testing.assert_array_equal(session.make_all_reduce(x, group=group)(), everyones(10)[own].sum(0))
        slices = session.make_reduce_scatter(numpy.ones(100), group=group)
        self.assertEqual(slices.slice(), slices.slice(own.index(rank)))
        session.barrier()

    def test_neighbours_come_to_the_mean_over_a_graph(self):
        if ranks == 1:
            self.skipTest("one rank has no neighbours")
        shares = numpy.full((ranks, ranks), 1 / ranks)
        for graph in (gossamer.Graph("complete"), gossamer.Graph("matrix", shares=shares)):
            x = vector(rank, 10)
            session.make_neighbor_reduce(x, graph=graph)()
            numpy.testing.assert_allclose(x, everyones(10).mean(0), atol=1e-12)
        ring = session.make_neighbor_reduce(vector(rank, 10), graph=gossamer.Graph("ring"))
        for _ in range(60):
            mixed = ring()
        numpy.testing.assert_allclose(mixed, everyones(10).mean(0), atol=1e-6)

    def test_memory_of_allocate_is_reduced_in_place(self):
        x = session.allocate(5000, "f8")
        x[:] = vector(rank, 5000)
        numpy.testing.assert_array_equal(session.make_all_reduce(x)(), everyones(5000).sum(0))


class Compressors(support.Case):
    def test_dense_is_the_mean_and_sparse_updates_are_equal_everywhere(self):
        shapes = {"w": (30, 40), "b": (40,)}
        gradients = {name: vector(rank, shape, "f4") for name, shape in shapes.items()}
        weights = {name: numpy.zeros(shape, "f4") for name, shape in shapes.items()}
        with session.make_compressor(weights, algorithm="dense") as dense:
            dense.start(gradients).wait().apply(weights, 1.0)
        for name, shape in shapes.items():
            numpy.testing.assert_array_equal(weights[name], everyones(shape, "f4").mean(0))
        for algorithm in gossamer.Algorithm:
            with session.make_compressor(
                shapes_of(shapes), algorithm=algorithm, exact=["b"], name="sparse"
            ) as compressor:
                for _ in range(3):
                    compressor.step(gradients, list(weights.values()), 0.1)
                update = compressor.recover()
                self.assertEqual(len(update.values), update.count)
                stats = compressor.stats()
                self.assertEqual((stats.operations, stats.dimension), (3, 1240))
            for name in shapes:
                session.check_equal(f"{name} after {algorithm.name}", weights[name])

    def test_a_saved_state_goes_on_with_the_same_bits(self):
        gradients = [[vector(10 * rank + step, 400, "f4")] for step in range(6)]
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "state")
        with session.make_compressor({"w": 400}, density=0.1, name="whole") as compressor:
            weights = numpy.zeros(400, "f4")
            for step in range(6):
                if step == 3:
                    state, kept = compressor.save(), weights.copy()
                    compressor.save_file(path)
                compressor.step(gradients[step], [weights], 0.1)
        for take_over in (lambda compressor: compressor.load(state), lambda compressor: compressor.load_files(path)):
            with session.make_compressor({"w": 400}, density=0.1, name="again") as compressor:
                take_over(compressor)
                again = kept.copy()
                for step in range(3, 6):
                    compressor.step(gradients[step], [again], 0.1)
            numpy.testing.assert_array_equal(again, weights)

    def test_the_states_of_all_ranks_are_taken_over_by_one(self):
        # What is held back is what was computed less what was sent, in the sum over ranks; a density of 1 sends all of it.
        options = {"algorithm": "top-k", "momentum": 0, "clip": 0}
        with session.make_compressor({"w": 400}, density=0.05, **options) as compressor:
            sent = numpy.zeros(400, "f4")
            compressor.start([vector(rank, 400, "f4")]).wait().apply([sent], ranks)
            own = compressor.save()
        states = [session.broadcast(bytearray(own), root) for root in range(ranks)]
        left = numpy.zeros(400, "f4")
        with gossamer.Session(rank=0, rank_count=1) as alone:
            compressor = alone.make_compressor({"w": 400}, density=1.0, **options)
            compressor.load(*states)
            compressor.start([numpy.zeros(400, "f4")]).wait().apply([left])
        numpy.testing.assert_allclose(left, everyones(400, "f4").sum(0) - sent, atol=1e-3)
        self.assertTrue(left.any())

    def test_several_buckets_are_in_flight_at_once(self):
        buckets = [session.make_compressor({f"bucket {i}": 500}, algorithm="dense") for i in range(4)]
        operations = [bucket.start([numpy.full(500, rank + i, "f4")]) for i, bucket in enumerate(buckets)]
        for i, operation in enumerate(operations):
            self.assertEqual(operation.wait().values[0], i + (ranks - 1) / 2)


def shapes_of(shapes):
    return {name: int(numpy.prod(shape)) for name, shape in shapes.items()}


@unittest.skipIf(ranks == 1, "one rank waits for nobody")
class Waiting(support.Case):
    def test_ctrl_c_ends_a_wait_at_once_and_the_operation_goes_on(self):
        x, told = numpy.ones(10), numpy.zeros(1)
        plan, tell = session.make_all_reduce(x), session.make_broadcast(told)
        if rank == 0:
            operation = plan.start()
            began = time.monotonic()
            with self.fails(KeyboardInterrupt):
                support.interrupt_soon(0.1)
                operation.wait()
            self.assertLess(time.monotonic() - began, 5)
            with self.fails(gossamer.DeadlineError, "rank 0 waits for rank 1"):
                operation.wait(0.11)
        tell()
        if rank != 0:
            operation = plan.start()
        self.assertEqual(operation.wait()[0], ranks)

    def test_ctrl_c_ends_a_blocking_call_at_once_and_the_session_goes_on(self):
        # Rank 0's session is busy, so it tells the others by a file that it was interrupted.
        folder = bytearray(200)
        if rank == 0:
            made = tempfile.TemporaryDirectory()
            self.addCleanup(made.cleanup)
            folder[: len(made.name)] = made.name.encode()
        self.sign = os.path.join(session.broadcast(folder).rstrip(b"\0").decode(), "interrupted")
        told = session.make_broadcast(numpy.zeros(1))
        if rank == 0:
            with self.fails(KeyboardInterrupt):
                support.interrupt_soon(0.2)
                session.barrier()
            with self.fails(gossamer.BusyError, "still under way"):
                session.barrier()
            with open(self.sign, "w", encoding="utf-8"):
                pass
        else:
            end = time.monotonic() + 20
            while not os.path.exists(self.sign) and time.monotonic() < end:
                time.sleep(0.005)
            session.barrier()
        session._caller.finish()
        told()
        self.assertEqual(session.all_reduce(1), ranks)

    def test_the_interpreter_is_free_while_a_rank_waits(self):
        plan, go = session.make_all_reduce(numpy.ones(3)), session.make_barrier()
        if rank == 0:
            stop, turns = threading.Event(), [0]

            def count():
                while not stop.is_set():
                    turns[0] += 1

            operation = plan.start()
            thread = threading.Thread(target=count)
            thread.start()
            with self.fails(gossamer.DeadlineError):
                operation.wait(0.15)
            stop.set()
            thread.join()
            self.assertGreater(turns[0], 1000)
        go()
        (plan.start() if rank else operation).wait()

    def test_the_end_of_an_operation_is_written_to_a_descriptor(self):
        with join_another(progress="thread") as second:
            x = numpy.ones(100)
            plan, (reading, writing) = second.make_all_reduce(x), os.pipe()
            operation = plan.start()
            operation.notify(writing)
            self.assertTrue(select.select([reading], [], [], 30)[0])
            self.assertEqual(os.read(reading, 8), (1).to_bytes(8, sys.byteorder))
            self.assertTrue(operation.test())
            operation.notify(writing)  # has ended
            self.assertEqual(len(os.read(reading, 8)), 8)
            os.close(reading), os.close(writing)

    def test_operations_are_awaited_while_other_tasks_go_on(self):
        """With a progress thread, which rings, and inline, where the loop looks."""
        for progress in ("thread", "inline"):
            with self.subTest(progress), join_another(progress=progress) as second:
                asyncio.run(self.await_in_every_way(second))
                self.interrupt_an_await(second)

    def interrupt_an_await(self, second):
        never = second.make_barrier()

        async def wait_for_others():
            await never.start()

        if rank == 0:
            with self.fails(KeyboardInterrupt):
                support.interrupt_soon(0.05)
                asyncio.run(wait_for_others())
            never.close()
        second.barrier()

    async def await_in_every_way(self, second):
        vectors = [numpy.full(100, float(rank + i)) for i in range(4)]
        plans = [second.make_all_reduce(x) for x in vectors]
        late, never = second.make_all_reduce(numpy.ones(5)), second.make_barrier()
        compressor = second.make_compressor({"w": 100})
        for factor in (1, ranks):
            results = await asyncio.gather(*(plans[(i + rank) % 4].start() for i in range(4)))
            for i, result in enumerate(results):
                self.assertEqual(result[0], factor * ((i + rank) % 4 * ranks + ranks * (ranks - 1) / 2))
        # A task that gives up leaves the operation as it was, and several tasks may await one.
        if rank == 0:
            operation = late.start()
            other = asyncio.ensure_future(operation._ended())
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(operation, 0.05)
            other.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await other
            self.assertFalse(operation.done)
        await second.make_barrier().start()
        if rank != 0:
            operation = late.start()
        for result in await asyncio.gather(operation, operation, asyncio.wait_for(operation, 30)):
            self.assertEqual(result[0], ranks)
        self.assertEqual((await operation)[0], ranks)
        with self.assertRaises(gossamer.NotFiniteError):
            await compressor.start([numpy.full(100, numpy.nan if rank == 1 else 1, "f4")])
        self.assertEqual((await compressor.start([numpy.ones(100, "f4")])).count, compressor.stats().applied)
        # What will never end: given up while a task awaits it.
        if rank == 0:
            task = asyncio.ensure_future(never.start()._ended())
            await asyncio.sleep(0)
            self.assertFalse(task.done())
            never.close()
            with self.assertRaises(gossamer.CancelledError):
                await asyncio.wait_for(task, 30)
        second.barrier()

    def test_a_rank_that_is_wrong_is_told_to_all_at_once(self):
        x = numpy.ones((4, 4))
        calls = [
            lambda bad: session.make_all_reduce(x.T if bad else x),
            lambda bad: session.all_reduce([1.0] if bad else x),
            lambda bad: session.broadcast(x[:, 0] if bad else x, root=1 - ranks % 2),
            lambda bad: session.check_equal("x", x.T[1:] if bad else x),
            lambda bad: session.make_compressor({"w": 10}, algorithm="none" if bad else "dense"),
            lambda bad: session.make_compressor({"w": 11 if bad else 10}),
        ]
        for number, call in enumerate(calls):
            began = time.monotonic()
            with self.subTest(number), self.assertRaises(
                (gossamer.InvalidArgumentError, gossamer.MismatchError, TypeError)
            ) as seen:
                call(rank == ranks - 1)
            if rank != ranks - 1:
                self.assertIsInstance(seen.exception, gossamer.MismatchError)
                self.assertIn(str(ranks - 1), str(seen.exception))
            self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(session.all_reduce(1), ranks)

    def test_a_gradient_that_is_not_finite_on_one_rank_is_named_on_all(self):
        compressor = session.make_compressor({"w": 100, "v": 50})
        gradients = [numpy.ones(100, "f4"), numpy.ones(50, "f4")]
        if rank == 1:
            gradients[1][7] = numpy.inf
        with self.fails(gossamer.NotFiniteError, "v") as seen:
            compressor.start(gradients).wait()
        self.assertEqual(seen.error.rank, 1)

    def test_sessions_are_joined_by_an_id_by_calls_and_by_a_communicator(self):
        with join_another() as second:
            self.assertEqual(second.all_reduce(rank), session.all_reduce(rank))

        def broadcast(data, root):
            session.broadcast(data, root)

        with gossamer.Session.from_calls(rank, ranks, broadcast=broadcast) as second:
            self.assertEqual((second.rank, second.all_reduce(1)), (rank, ranks))
        communicator = Communicator()
        with gossamer.Session.from_mpi(communicator) as second:
            self.assertEqual((second.rank, second.all_reduce(1)), (rank, ranks))
        self.assertEqual(communicator.said, ["Dup", "Free"])

        def broken(data, root):
            raise KeyError("mine")

        with self.fails(KeyError, "mine"):
            gossamer.Session.from_calls(rank, ranks, broadcast=broken)


class Communicator:
    """What mpi4py's has, over the session."""

    def __init__(self):
        self.said = []

    def Dup(self):
        self.said.append("Dup")
        return self

    def Free(self):
        self.said.append("Free")

    def Get_rank(self):
        return rank

    def Get_size(self):
        return ranks

    def Bcast(self, data, root):
        session.broadcast(data, root)

    def Allgather(self, mine, every):
        size = len(mine)
        for root in range(ranks):
            part = every[root * size : (root + 1) * size]
            if root == rank:
                part[:] = mine
            session.broadcast(part, root)


@unittest.skipIf(ranks == 1, "one rank has no peers to lose")
class ZLosses(support.Case):
    """Last: the session ends here."""

    def test_a_session_that_is_given_up_from_another_thread_ends_every_wait(self):
        with join_another() as second:
            plan = second.make_all_reduce(numpy.ones(3))
            if rank == 0:
                threading.Timer(0.1, second.abort).start()
            if rank != 1:
                with self.assertRaises(gossamer.CancelledError if rank == 0 else gossamer.PeerLostError):
                    plan()
            else:
                with self.fails(gossamer.PeerLostError, "rank 0"):
                    second.barrier()

    def test_a_rank_that_raises_ends_the_others_waits_with_its_number(self):
        last = ranks - 1
        second = join_another()
        plan = second.make_all_reduce(numpy.ones(3))
        try:
            with second:
                if rank == last:
                    raise RuntimeError("mine")
                began = time.monotonic()
                with self.fails(gossamer.PeerLostError, f"rank {last}") as seen:
                    plan()
                self.assertEqual(seen.error.rank, last)
                self.assertLess(time.monotonic() - began, 10)
        except RuntimeError:
            self.assertEqual(rank, last)
        self.assertTrue(second.is_closed)


if __name__ == "__main__":
    unittest.main(verbosity=1 if rank == 0 else 0)
