#!/usr/bin/env python3
"""What memory is taken from arrays, without a copy, and which arrays are refused and how.

Goal: every way that an array can be wrong is an error that names the argument; what is right is used where it is.
Method: views of arrays of every kind, and small fake ones for what is not installed (CUDA, DLPack of any device). No
session.
"""
import array
import ctypes
import sys
import unittest

import support
import numpy
import gossamer
from gossamer._arrays import _DLTensor, check_count, check_type, view_of
from support import FakeCuda


class FakeDlpack:
    """A tensor as DLPack gives it, of a device and a type at will."""

    deleted = 0

    def __init__(self, device=1, code=2, bits=32, shape=(4,), strides=None):
        self.memory = (ctypes.c_char * 256)()
        self.shape = (ctypes.c_int64 * len(shape))(*shape)
        self.strides = (ctypes.c_int64 * len(shape))(*strides) if strides else None
        self.tensor = _DLTensor(
            ctypes.addressof(self.memory), device, 0, len(shape), code, bits, 1, self.shape, self.strides, 0
        )
        self.device = device

    def __dlpack_device__(self):
        return self.device, 0

    def __dlpack__(self):
        new = ctypes.pythonapi.PyCapsule_New
        new.argtypes, new.restype = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p], ctypes.py_object
        return new(ctypes.addressof(self.tensor), b"dltensor", None)


class Arrays(support.Case):
    def test_numpys_arrays_are_used_in_place(self):
        for name, kind in (
            ("float32", "F32"),
            ("float64", "F64"),
            ("float16", "F16"),
            ("int8", "I8"),
            ("int32", "I32"),
            ("int64", "I64"),
            ("uint8", "U8"),
        ):
            given = numpy.zeros((3, 5), name)
            view = view_of("x", given, is_written=True)
            self.assertEqual(
                (view.address, view.bytes, view.count, view.type.name, view.shape),
                (given.ctypes.data, given.nbytes, 15, kind, (3, 5)),
            )

    def test_other_objects_with_a_buffer_are_used_in_place(self):
        for given, kind in (
            (bytearray(8), "U8"),
            (array.array("d", [1, 2]), "F64"),
            ((ctypes.c_float * 3)(), "F32"),
            (memoryview(bytearray(8)).cast("q"), "I64"),
            (ctypes.c_int32(3), "I32"),
        ):
            self.assertEqual(view_of("x", given, is_written=True).type.name, kind)
        words = (ctypes.c_float * 3)(1, 2, 3)
        self.assertEqual(view_of("x", words).address, ctypes.addressof(words))

    def test_an_array_stays_alive_and_where_it_is_while_a_view_of_it_lives(self):
        given = numpy.zeros(4, "f4")
        before = sys.getrefcount(given)
        view = view_of("x", given)
        self.assertGreater(sys.getrefcount(given), before)
        grown = bytearray(4)
        held = view_of("x", grown)
        with self.fails(BufferError):
            grown.extend(b"more")
        del view, held
        self.assertEqual(sys.getrefcount(given), before)
        grown.extend(b"more")

    def test_an_array_that_is_not_contiguous_is_refused_by_name(self):
        x = numpy.zeros((4, 6), "f4")
        for given in (x.T, x[:, ::2], x[:, :3], x[::2], x[0, ::-1], numpy.broadcast_to(numpy.zeros(1, "f4"), (5,))):
            with self.fails(gossamer.InvalidArgumentError, "gradients['w'] is not contiguous"):
                view_of("gradients['w']", given)
        for given in (x[:2], x[1], x.reshape(-1), x[:0], x[:, :0], x[:1, 1:], x.T[:1].T[:1]):
            view_of("x", given)

    def test_an_array_that_is_read_only_is_refused_where_it_would_be_written(self):
        x = numpy.zeros(4, "f4")
        x.flags.writeable = False
        for given in (x, b"bytes", FakeCuda(read_only=True)):
            with self.fails(gossamer.InvalidArgumentError, "output is read-only"):
                view_of("output", given, is_written=True, may_be_cuda=True)
        view_of("input", x)

    def test_types_that_the_library_has_not_are_none_and_named(self):
        for kind in (">f4", "bool", "complex64", "uint16", "int16", "uint64", "U3", "f4,i4"):
            view = view_of("x", numpy.zeros(4, kind))
            self.assertIsNone(view.type, kind)
            with self.fails(
                gossamer.InvalidArgumentError, "x has elements of type", "none of Gossamer's", "expected f32"
            ):
                check_type("x", view, gossamer.Type.F32)
        with self.fails(gossamer.InvalidArgumentError, "x has 4 elements (shape (2, 2)): expected 5"):
            check_count("x", view_of("x", numpy.zeros((2, 2), "f4")), 5)

    def test_what_is_no_array_is_a_type_error_that_says_what_is_one(self):
        for given in ([1, 2], 3, None, "text", object(), {"a": 1}):
            with self.fails(TypeError, f"gradients[0] is a {type(given).__name__}", "numpy", "DLPack"):
                view_of("gradients[0]", given)
        with self.fails(gossamer.InvalidArgumentError, "x does not give its memory"):
            view_of("x", numpy.zeros(3, "M8[s]"))

    def test_memory_of_cuda_is_taken_only_where_it_may_be(self):
        view = view_of("x", FakeCuda((2, 3)), is_written=True, may_be_cuda=True)
        self.assertEqual((view.address, view.count, view.type.name, view.is_cuda), (4096, 6, "F32", True))
        for given in (FakeCuda(), FakeDlpack(device=2)):
            with self.fails(gossamer.InvalidArgumentError, "x is in CUDA memory: expected host memory"):
                view_of("x", given)
        with self.fails(gossamer.InvalidArgumentError, "x is not contiguous"):
            view_of("x", FakeCuda((2, 3), strides=(4, 8)), may_be_cuda=True)
        view_of("x", FakeCuda((2, 3), strides=(12, 4)), may_be_cuda=True)

    def test_dlpack_gives_address_type_and_shape(self):
        given = FakeDlpack(shape=(2, 3), strides=(3, 1))
        view = view_of("x", given)
        self.assertEqual((view.address, view.count, view.type.name), (ctypes.addressof(given.memory), 6, "F32"))
        self.assertEqual(view_of("x", FakeDlpack(code=4, bits=16)).type.name, "BF16")
        self.assertEqual(view_of("x", FakeDlpack(code=0, bits=64)).type.name, "I64")
        self.assertIsNone(view_of("x", FakeDlpack(code=6, bits=8)).type)
        with self.fails(gossamer.InvalidArgumentError, "x is not contiguous"):
            view_of("x", FakeDlpack(shape=(2, 3), strides=(1, 2)))
        with self.fails(gossamer.InvalidArgumentError, "x is on a device of DLPack's kind 10"):
            view_of("x", FakeDlpack(device=10))

    def test_numbers_and_names_of_enums_are_read_and_others_named(self):
        from gossamer._calls import member, nanoseconds, text

        self.assertIs(member(gossamer.Algorithm, "gs-sgd", "algorithm"), gossamer.Algorithm.GS_SGD)
        self.assertIs(member(gossamer.Op, 3, "op"), gossamer.Op.MEAN)
        with self.fails(ValueError, "op is 'average': expected one of Op: sum, min"):
            member(gossamer.Op, "average", "op")
        with self.fails(ValueError, "timeout is -1 s"):
            nanoseconds(-1, "timeout")
        with self.fails(ValueError, "job is"):
            text("a\0b", "job")


if __name__ == "__main__":
    unittest.main()
