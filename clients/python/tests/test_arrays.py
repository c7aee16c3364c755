"""Arrays of any library become NumPy arrays, over the same memory if possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import torch

from lossmeter.arrays import BFLOAT16, as_array, bytes_of
from lossmeter.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

DTYPES = [
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
]

TORCH_DTYPES = [
    *(torch.bool, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.uint8, torch.uint16, torch.uint32, torch.uint64),
    *(torch.float16, torch.float32, torch.float64),
]


def address(array: NDArray[Any]) -> int:
    return array.ctypes.data


def assert_same(got: NDArray[Any], expected: NDArray[Any]) -> None:
    """Asserts equal shapes, dtypes and values, and a contiguous array."""
    assert got.flags.c_contiguous
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected, strict=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_contiguous_numpy_array_is_not_copied(dtype: str) -> None:
    given = np.arange(6).reshape(2, 3).astype(dtype)

    got = as_array(given)

    assert_same(got, given)
    assert np.shares_memory(got, given)


@pytest.mark.parametrize("dtype", [">f2", ">f4", ">f8", ">i2", ">i4", ">i8", ">u8"])
def test_a_big_endian_array_has_the_same_values_little_endian(dtype: str) -> None:
    got = as_array(np.array([[1, 2], [3, 65504]]).astype(dtype))

    assert_same(got, np.array([[1, 2], [3, 65504]]).astype(dtype.replace(">", "<")))


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(np.arange(12.0).reshape(3, 4).T, id="transposed"),
        pytest.param(np.arange(24.0).reshape(4, 6)[::2, 1::2], id="with steps"),
        pytest.param(np.arange(12.0).reshape(3, 4)[:, ::-1], id="backwards"),
        pytest.param(np.asfortranarray(np.arange(12.0).reshape(3, 4)), id="Fortran"),
        pytest.param(np.broadcast_to(np.arange(4.0), (3, 4)), id="broadcast"),
    ],
)
def test_an_array_that_is_not_contiguous_is_put_in_row_major_order(
    given: NDArray[Any],
) -> None:
    got = as_array(given)

    assert_same(got, np.array(given.tolist()))
    assert bytes(bytes_of(got)) == given.tobytes("C")


@pytest.mark.parametrize("shape", [(0,), (0, 5), (3, 0), (2, 0, 4)])
def test_an_empty_array_keeps_its_shape(shape: tuple[int, ...]) -> None:
    got = as_array(np.empty(shape, np.float32))

    assert_same(got, np.empty(shape, np.float32))
    assert len(bytes_of(got)) == 0


@pytest.mark.parametrize(
    "given",
    [np.array(2.5), np.float64(2.5), 2.5, torch.tensor(2.5, dtype=torch.float64)],
)
def test_a_scalar_has_no_axis(given: ArrayLike) -> None:
    got = as_array(given)

    assert_same(got, np.array(2.5))
    assert bytes(bytes_of(got)) == np.float64(2.5).tobytes()


def test_an_array_that_cannot_be_written_is_not_copied() -> None:
    given = np.arange(6.0)
    given.flags.writeable = False

    assert np.shares_memory(as_array(given), given)


def test_nested_lists_are_what_numpy_makes_of_them() -> None:
    assert_same(as_array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert_same(as_array([0, 3]), np.array([0, 3]))


def test_the_bytes_of_an_array_are_a_view_of_it() -> None:
    given = np.arange(6.0).reshape(2, 3)

    got = bytes_of(given)

    assert (got.nbytes, got.format, got.ndim) == (48, "B", 1)
    assert np.shares_memory(np.frombuffer(got, np.uint8), given)


@pytest.mark.parametrize("dtype", TORCH_DTYPES, ids=str)
def test_a_contiguous_tensor_of_pytorch_is_not_copied(dtype: torch.dtype) -> None:
    given = torch.arange(6).reshape(2, 3).to(dtype)

    got = as_array(given)

    assert_same(got, given.numpy())
    assert address(got) == given.data_ptr()


def test_a_bfloat16_tensor_of_pytorch_is_not_copied() -> None:
    given = torch.tensor([[1.5, -2.25], [1e30, float("nan")]], dtype=torch.bfloat16)

    got = as_array(given)

    assert got.dtype == BFLOAT16
    assert address(got) == given.data_ptr()
    np.testing.assert_array_equal(got.astype(np.float32), given.float().numpy())


def test_a_slice_of_a_tensor_begins_where_it_lies() -> None:
    given = torch.arange(12.0).reshape(4, 3)[2:]

    got = as_array(given)

    assert_same(got, np.arange(6, 12, dtype=np.float32).reshape(2, 3))
    assert address(got) == given.data_ptr()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_tensor_that_is_not_contiguous_is_put_in_row_major_order(
    dtype: torch.dtype,
) -> None:
    given = torch.arange(6.0).to(dtype).reshape(2, 3).T

    got = as_array(given)

    assert got.flags.c_contiguous
    assert got.astype(np.float32).tolist() == [[0, 3], [1, 4], [2, 5]]


def test_a_tensor_whose_gradient_is_followed_is_not_copied() -> None:
    leaf = torch.nn.Parameter(torch.ones(2, 3))
    inner = leaf * 2

    assert address(as_array(leaf)) == leaf.data_ptr()
    assert address(as_array(inner)) == inner.data_ptr()
    assert inner.requires_grad


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int32"])
def test_an_array_of_jax_is_not_copied(dtype: str) -> None:
    given = jnp.arange(6).reshape(2, 3).astype(dtype)

    got = as_array(given)

    assert got.dtype == np.dtype(dtype)
    assert got.astype(np.float32).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert address(got) == given.unsafe_buffer_pointer()


def test_an_array_of_ml_dtypes_is_not_copied() -> None:
    given = np.array([[1.5, -2.25]], ml_dtypes.bfloat16)

    got = as_array(given)

    assert_same(got, given)
    assert np.shares_memory(got, given)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(np.zeros((2, 3), np.complex64), id="complex64"),
        pytest.param(np.zeros((2, 3), object), id="object"),
        pytest.param(np.zeros((2, 3), np.longdouble), id="longdouble"),
        pytest.param(np.array([["a"]]), id="text"),
        pytest.param(np.zeros((2, 3), "datetime64[s]"), id="datetime64"),
        pytest.param(np.zeros((2, 3), ml_dtypes.float8_e4m3fnuz), id="float8"),
        pytest.param(torch.zeros(2, 3, dtype=torch.complex64), id="torch.complex64"),
        pytest.param(torch.zeros(2, 3).to(torch.float8_e4m3fnuz), id="torch.float8"),
    ],
)
@pytest.mark.parametrize("name", ["logits", "label", "input_mask", "weight"])
def test_a_dtype_that_the_service_does_not_know_is_refused_by_the_tensors_name(
    name: str, given: ArrayLike
) -> None:
    tensors: dict[str, ArrayLike] = dict.fromkeys(
        ("logits", "label", "input_mask", "weight"), 1.0
    )

    with pytest.raises(TypeError, match=rf"^{name} (has the dtype|is not an array) .*"):
        Batch(**{**tensors, name: given}, options={}).body()


def fake_tensor() -> torch.Tensor:
    with torch._subclasses.FakeTensorMode():
        return torch.empty(2, 3)


DENSE = torch.arange(6.0).reshape(2, 3)
WITHOUT_VALUES: dict[str, tuple[Callable[[], Any], str]] = {
    "meta": (lambda: DENSE.to("meta"), "is a meta tensor, which has no values"),
    "sparse": (DENSE.to_sparse, r"has the layout torch.sparse_coo, .*to_dense\(\)"),
    "csr": (DENSE.to_sparse_csr, "has the layout torch.sparse_csr"),
    "mkldnn": (DENSE.to_mkldnn, "has the layout torch._mkldnn"),
    "nested": (
        lambda: torch.nested.nested_tensor([DENSE, DENSE[:1]], layout=torch.jagged),
        "is a nested tensor, expected a padded one and input_mask",
    ),
    "quantised": (
        lambda: torch.quantize_per_tensor(DENSE, 0.1, 0, torch.qint8),
        r"is quantised \(torch.qint8\), expected floats: dequantize\(\)",
    ),
    "fake": (fake_tensor, "tensor subclasses"),
    "masked array": (
        lambda: np.ma.masked_array([1, 2], np.array([False, True])),
        r"is a masked array, whose mask would be lost; expected its values, .*filled",
    ),
    "masked array without a mask": (
        lambda: np.ma.masked_array([1, 2]),
        "is a masked array",
    ),
    "masked arrays": (lambda: [[np.ma.masked_array([1])]], "is a masked array"),
    "masked value": (lambda: [1, np.ma.masked], "is a masked array"),
    "object array": (
        lambda: np.array([1, None]),
        "is a ndarray, which NumPy reads as Python objects",
    ),
    "dict": (lambda: {"logits": 1}, "is a dict, which NumPy reads as Python objects"),
    "generator": (lambda: (i for i in range(3)), "is a generator"),
    "ragged list": (lambda: [[1.0, 2.0], [3.0]], "inhomogeneous shape"),
}


@pytest.mark.filterwarnings("ignore")  # of PyTorch, about some of these kinds
@pytest.mark.parametrize("name", ["logits", "label", "input_mask", "weight"])
@pytest.mark.parametrize("kind", WITHOUT_VALUES)
def test_what_holds_no_plain_numbers_is_refused_by_name_and_kind(
    name: str, kind: str
) -> None:
    make, says = WITHOUT_VALUES[kind]
    tensors: dict[str, Any] = dict.fromkeys(
        ("logits", "label", "input_mask", "weight"), 1.0
    )

    with pytest.raises(
        TypeError, match=f"^{name} is not an array that can be sent: .*{says}"
    ):
        Batch(**{**tensors, name: make()}, options={}).body()
