"""The client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from lossmeter import request as requests
from lossmeter.address import Address
from lossmeter.batch import Batch
from lossmeter.files import batch_of, naming, paths_of
from lossmeter.logprobs import Logprobs
from lossmeter.pair import Pair
from lossmeter.progress import track_items
from lossmeter.runs import Run
from lossmeter.settings import Configured, Settings
from lossmeter.split import comparison_requests
from lossmeter.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import Unpack

    import urllib3
    from numpy.typing import ArrayLike

    from lossmeter.comparison import Comparison
    from lossmeter.evaluation import Evaluation
    from lossmeter.files import AnyPath
    from lossmeter.pair import Reference
    from lossmeter.request import Partial
    from lossmeter.run_fields import RunFilters
    from lossmeter.schemas import (
        ComparisonOptions,
        Diagnosis,
        Info,
        LogprobComparison,
        Options,
        RunSummary,
    )


class Client(Configured):
    """A client of one service, which threads may share.

    Arrays may be from NumPy, PyTorch, JAX or MindSpore; contiguous arrays on the host
    are sent without a copy. Connections are kept open. Requests are retried with
    growing pauses when the service is overloaded (429) or unavailable (502, 503, 504),
    or when the connection is lost. Retries are safe: the same recording counts once.

    Args:
        url: Address of the service, such as `https://loss.example`. By default it is
            the environment's `LOSSMETER_URL`, or `http://127.0.0.1:8080`.
        api_key: The key. By default it is the environment's `LOSSMETER_API_KEY`, if
            set. A pickled client does not contain it.
        timeout: Maximum number of seconds to connect, to send 256 KiB, and to wait for
            data of the answer.
        retries: Maximum number of retries of a request.
        progress: Progress bars of `tqdm`, if installed, for uploads of more than one
            second. True shows them always, False never, None only on a terminal.
        pool: Your own connections, for a proxy or certificates. A pickled client does
            not contain them.

    Attributes:
        url: Address of the service.
        transport: The connections.

    Raises:
        ValueError: The URL or the key is invalid.

    Example:
        >>> import numpy as np
        >>> with Client() as client:
        ...     evaluation = client.cross_entropy(np.zeros((2, 4), np.float32), [0, 3])
        >>> round(evaluation.loss, 4)
        1.3863
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        timeout: float = 60.0,
        *,
        retries: int = 5,
        progress: bool | None = None,
        pool: urllib3.PoolManager | None = None,
    ) -> None:
        super().__init__(Settings(Address.of(url, api_key), timeout, retries, progress))
        self.transport = Transport(self.settings, pool)

    def cross_entropy(
        self,
        logits: ArrayLike,
        label: ArrayLike,
        input_mask: ArrayLike | None = None,
        weight: ArrayLike | None = None,
        *,
        segments: ArrayLike | None = None,
        bytes: ArrayLike | None = None,  # noqa: A002 -- the service's name
        words: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> Evaluation:
        """Evaluates a batch.

        Args:
            logits: Scores of shape (N, C) or (…, C), or (C,) for a single row: float8,
                float16, bfloat16, float32 or float64. `class_axis` names another axis
                of the classes.
            label: Class indices, integers of shape (N,), (…,) or (…, 1), a number for a
                single row; or class probabilities, floats shaped like the logits.
            input_mask: Weights of the rows, of shape (N,) or (…,) and any dtype; 0
                leaves a row out, whatever its values are.
            weight: Weights of the classes, of shape (C,).
            segments: Lengths of the sequences that the rows fill in order, of shape
                (S,). By default the axis before the classes has the rows of a sequence.
            bytes: Bytes of the texts, a number or one for each sequence, for the
                metrics `bits_per_byte` and `byte_perplexity`.
            words: Words of the texts, for the metric `word_perplexity`.
            **options: See `lossmeter.schemas.Options`; None is the default.

        Returns:
            The loss in nats, its parts, and the arrays that `outputs` names.

        Raises:
            TypeError: An array has a dtype that the service does not know.
            ProblemError: The service refused the batch; NonFiniteLossError with
                `on_non_finite="reject"`.
            UnreachableError: The service could not be reached.
        """
        batch = Batch(
            logits, label, input_mask, weight, options, segments, bytes, words
        )
        return self.transport.send(requests.cross_entropy(batch))

    def diagnose(
        self,
        logits: ArrayLike,
        label: ArrayLike | None = None,
        input_mask: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> Diagnosis:
        """Surveys a tensor: counts, places, magnitudes, norms, hot spots.

        Args:
            logits: Any floating-point tensor of shape (C,), (N, C) or (…, C).
            label: Class indices; rows with `ignore_index` do not count.
            input_mask: Weights of the rows; rows of 0 do not count.
            **options: `ignore_index` and `max_locations`.

        Raises:
            TypeError: An array has a dtype that the service does not know.
            ProblemError: The service refused the tensor.
            UnreachableError: The service could not be reached.
        """
        batch = Batch(logits, label, input_mask, None, options)
        return self.transport.send(requests.diagnose(batch))

    def kl_divergence(
        self,
        reference: Reference,
        logits: Reference,
        *,
        label: ArrayLike | None = None,
        input_mask: ArrayLike | None = None,
        segments: ArrayLike | None = None,
        rows_per_request: int | None = None,
        **options: Unpack[ComparisonOptions],
    ) -> Comparison:
        """Compares two sets of logits: KL divergence, agreement, perplexity.

        Logits that do not fit one request are divided by rows and sent in several
        requests, one after another. Sums are exact, so the answer is the same.

        Args:
            reference: The reference distributions P: logits of the shape of `logits`,
                or (N, C), in any floating-point dtype; the top K of each row,
                `{"indices": …, "logprobs": …}` of shape (N, K) or (…, K); or a file
                below the service's data directory, `{"file": …, "tensor": …}` or
                `{"kld_file": …}`.
            logits: Scores Q of the compared model, of shape (N, C), (…, C), or (C,) for
                a single row; or `{"file": …, "tensor": …}`.
            label: Class indices, for perplexities and probabilities of the label.
            input_mask: Weights of the rows; 0 leaves a row out, whatever its values
                are.
            segments: Lengths of the sequences that the rows fill in order, of shape
                (S,). By default the axis before the classes has the rows of a sequence.
                The output `sequences` lists the result of each.
            rows_per_request: Maximum number of rows of a request; None for as many as
                the service takes. With a file, nothing is divided.
            **options: See `lossmeter.schemas.ComparisonOptions`; None is the default.

        Returns:
            The loss, statistics with standard errors, the worst rows, and the arrays
            that `outputs` names.

        Raises:
            TypeError: An array has a dtype that the service does not know.
            ValueError: A mapping names neither a top K nor a file.
            ProblemError: The service refused the comparison; NonFiniteLossError with
                `on_non_finite="reject"`.
            UnreachableError: The service could not be reached.

        Example:
            >>> client = Client()
            >>> near = client.kl_divergence([[0.0, 0.0]], [[0.0, 0.1]])
            >>> round(near.kl_divergence["mean"], 6)
            0.001249
        """
        small = {"label": label, "input_mask": input_mask, "segments": segments}
        pair = Pair.of(reference, logits, small, options)
        steps = comparison_requests(pair, rows_per_request)
        return self.transport.send_all(steps)

    def compare_logprobs(
        self,
        old: ArrayLike,
        new: ArrayLike,
        mask: ArrayLike | None = None,
        segments: ArrayLike | None = None,
    ) -> LogprobComparison:
        """Compares the log-probabilities that two sides gave for the same tokens.

        Args:
            old: Log-probabilities by the model that sampled the tokens, in nats, of
                shape (N,), or (B, T) with a sequence per row.
            new: Log-probabilities by the model that is trained, in the shape of `old`.
            mask: 1 for tokens that count, 0 for others, in the shape of `old`.
            segments: Lengths of the sequences that tokens of shape (N,) fill in order.
                By default they are one sequence.

        Returns:
            Estimators over all tokens, of each sequence, and the worst tokens. Values
            are None where no token counts, and infinite where they overflow.

        Raises:
            TypeError: An array has a dtype that the service does not know.
            ProblemError: The service refused the log-probabilities.
            UnreachableError: The service could not be reached.

        Example:
            >>> client = Client()
            >>> client.compare_logprobs([-1.0, -2.0], [-1.0, -2.5])["k1"]
            0.25
        """
        logprobs = Logprobs(old, new, mask, segments)
        return self.transport.send(requests.compare_logprobs(logprobs))

    def partials(
        self,
        logits: ArrayLike,
        label: ArrayLike,
        input_mask: ArrayLike | None = None,
        weight: ArrayLike | None = None,
        *,
        vocab_start: int,
        vocab_size: int,
        **options: Unpack[Options],
    ) -> Partial:
        """Evaluates a shard of the vocabulary: classes [vocab_start, vocab_start + C).

        Args:
            logits: The columns of the shard, of shape (N, C) or (…, C).
            label: Class indices in the whole vocabulary, of shape (N,) or (…,); or
                class probabilities of the shard's columns.
            input_mask: Weights of the rows.
            weight: Weights of the shard's classes, or of the whole vocabulary.
            vocab_start: The class of the first column.
            vocab_size: Classes of the whole vocabulary.
            **options: See `lossmeter.schemas.Options`; the same for all shards.

        Returns:
            Bytes for `combine`, which ranks send to each other unchanged.

        Raises:
            TypeError: An array has a dtype that the service does not know.
            ProblemError: The service refused the shard.
            UnreachableError: The service could not be reached.
        """
        batch = Batch(logits, label, input_mask, weight, options)
        return self.transport.send(requests.partials(batch, vocab_start, vocab_size))

    def combine(
        self, partials: Iterable[Partial], **options: Unpack[Options]
    ) -> Evaluation:
        """Merges the partials of all shards into the evaluation of the whole batch.

        Args:
            partials: Results of `partials`, in any order.
            **options: Changes to the options of the partials.

        Raises:
            ProblemError: The partials do not belong together, or classes are missing.
            UnreachableError: The service could not be reached.
        """
        return self.transport.send(requests.combine(partials, options))

    def evaluate_file(
        self,
        path: AnyPath,
        *,
        tensors: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> Evaluation:
        """Evaluates a batch in a file.

        Args:
            path: A safetensors or `.npz` file with `logits`, `label` and, optionally,
                `input_mask`, `weight`, `segments`, `bytes` and `words`, in any order. A
                safetensors file is not read into memory; it may have options as JSON
                text in `__metadata__.options`. Other tensors are ignored.
            tensors: Names of tensors in the file, by field, such as `{"label":
                "targets"}`; other tensors have the name of their field.
            **options: Options that override those of the file.

        Raises:
            OSError: The file cannot be read.
            ValueError: The file is invalid.
            ProblemError: The service refused the batch.
            UnreachableError: The service could not be reached.
        """
        with naming(path):
            batch = batch_of(path, options, tensors)
            return self.transport.send(requests.cross_entropy(batch))

    def evaluate_files(
        self,
        paths: AnyPath | Iterable[AnyPath],
        *,
        tensors: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> list[Evaluation]:
        """Evaluates files one after another, with a progress bar.

        Args:
            paths: One or more files, as for `evaluate_file`.
            tensors: Names of tensors in the files, as for `evaluate_file`.
            **options: Options that override those of the files.

        Returns:
            Their evaluations, in the order of the files. The loss of all of them is
            Σ numerators / Σ denominators.

        Raises:
            OSError: A file cannot be read.
            ValueError: A file is invalid.
            ProblemError: The service refused a batch.
            UnreachableError: The service could not be reached.
        """
        tracked = track_items(paths_of(paths), "file", self.settings.progress)
        return [
            self.evaluate_file(path, tensors=tensors, **options) for path in tracked
        ]

    def run(self, name: str, *, attempt: int = 0) -> Run:
        """A run to record into or to read from; no request is made.

        Args:
            name: Up to 256 characters of Unicode without control characters, such as
                `meta-llama/Llama-2-7b` or `lr=1e-4,bs=32`.
            attempt: Attempt of the trainer. A trainer that resumes from a checkpoint
                uses a higher one, and its batches supersede those of lower attempts.
        """
        return Run(self, name, attempt)

    def runs(self, **filters: Unpack[RunFilters]) -> Iterator[RunSummary]:
        """Summaries of the runs that match, or of all that are not archived.

        Args:
            **filters: See `lossmeter.run_fields.RunFilters`.

        Raises:
            ProblemError: The service refused.
            UnreachableError: The service could not be reached.
        """
        page = self.transport.send(requests.list_runs(filters))
        yield from page["runs"]
        while "next" in page:
            page = self.transport.send(requests.list_runs(filters, page["next"]))
            yield from page["runs"]

    def info(self) -> Info:
        """Version, kernel, dtypes, options and limits of the service.

        Raises:
            ProblemError: The service refused.
            UnreachableError: The service could not be reached.
        """
        return self.transport.send(requests.info())

    def close(self) -> None:
        """Closes the connections, except those of your own pool.

        A later request opens new ones.
        """
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
