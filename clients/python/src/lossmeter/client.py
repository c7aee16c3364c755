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

    Arrays may be NumPy's, PyTorch's, JAX's or MindSpore's; they are sent from the
    memory where they lie. Connections are kept open. What may succeed later is sent
    again, with growing pauses: when the service has too much to do (429), is not there
    (502, 503, 504), or the connection is lost. To record twice is to record once.

    Args:
        url: Where the service is, such as `https://loss.example`; without, what the
            environment has as `LOSSMETER_URL`, or `http://127.0.0.1:8080`.
        api_key: The key; without, what the environment has as `LOSSMETER_API_KEY`, or
            none. It does not go along when a client is pickled.
        timeout: Seconds within which it must be possible to connect, to send a piece
            of 256 KiB, and to hear something after all is sent.
        retries: How often a request is sent again.
        progress: Bars of `tqdm`, where it is installed, for uploads of more than a
            second: True for always, False for never, None for when there is a terminal.
        pool: Connections of your own making, for a proxy or certificates of your own.
            They do not go along when a client is pickled.

    Attributes:
        url: Where the service is.
        transport: What sends the requests.

    Raises:
        ValueError: The URL is none, or the key cannot be one.

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
            logits: Scores of shape (N, C) or (…, C), or (C,) of a row alone: float16,
                bfloat16, float32 or float64. `class_axis` says where else the classes
                are.
            label: Class indices, integers of shape (N,), (…,) or (…, 1), a number for
                a row alone; or class probabilities, floats shaped like the logits.
            input_mask: Weights of the rows, of shape (N,) or (…,) and any dtype; 0
                leaves a row out, whatever it holds.
            weight: Weights of the classes, of shape (C,).
            segments: Lengths of the sequences that the rows fill in order, of shape
                (S,); without, the rows along the axis before the classes.
            bytes: Bytes of the texts, a number or one for each sequence, for the
                metrics `bits_per_byte` and `byte_perplexity`.
            words: Words of the texts, for the metric `word_perplexity`.
            **options: See `lossmeter.schemas.Options`; None is the default.

        Returns:
            The loss in nats, what it was made of, and the arrays that `outputs` asked
            for.

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
        """Says what stands in a tensor: counts, places, magnitudes, norms, hot spots.

        Args:
            logits: Any floating-point tensor of shape (C,), (N, C) or (…, C).
            label: Class indices, which say by `ignore_index` which rows count.
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

        What does not fit one request is divided by rows and sent in several, one after
        another. Sums are exact, so the answer is the same.

        Args:
            reference: The distributions P that are compared with: logits of the shape
                of `logits`, or (N, C), in any floating-point dtype; the top K of each
                row, `{"indices": …, "logprobs": …}` of shape (N, K) or (…, K); or a
                file below the service's data directory, `{"file": …, "tensor": …}` or
                `{"kld_file": …}`.
            logits: Scores Q of the model that is compared, of shape (N, C), (…, C), or
                (C,) of a row alone; or `{"file": …, "tensor": …}`.
            label: Class indices, for perplexities and probabilities of the label.
            input_mask: Weights of the rows; 0 leaves a row out, whatever it holds.
            segments: Lengths of the sequences that the rows fill in order, of shape
                (S,); without, the rows along the axis before the classes. The output
                `sequences` lists the result of each.
            rows_per_request: Most rows of a request; None for as many as the service
                takes. Beside a file nothing is divided.
            **options: See `lossmeter.schemas.ComparisonOptions`; None is the default.

        Returns:
            The loss, statistics with standard errors, the worst rows, and the arrays
            that `outputs` asked for.

        Raises:
            TypeError: An array has a dtype that the service does not know.
            ValueError: A mapping that names neither a top K nor a file.
            ProblemError: The service refused them; NonFiniteLossError with
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
            old: Those of the side that sampled the tokens, in nats, of shape (N,) or
                (B, T), whose rows are sequences.
            new: Those of the side that trains, in the shape of `old`.
            mask: 1 for tokens that count, 0 for others, in the shape of `old`.
            segments: Lengths of the sequences that tokens of shape (N,) fill in
                order; without, they are one sequence.

        Returns:
            Estimators over all tokens, of each sequence, and the worst tokens. Values
            are None where nothing counts, and infinite where they overflow.

        Raises:
            TypeError: An array has a dtype that the service does not know.
            ProblemError: The service refused them.
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
            Bytes for `combine`, to be sent from rank to rank as they are.

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
            partials: What `partials` returned, in any order.
            **options: Changes of the options that the partials were made with.

        Raises:
            ProblemError: They do not belong together, or leave classes out.
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
        """Evaluates a batch that lies in a file.

        Args:
            path: A safetensors or `.npz` file with `logits`, `label` and, optionally,
                `input_mask`, `weight`, `segments`, `bytes` and `words`, in any order.
                A safetensors file is not read into memory; it may have options as
                JSON text in
                `__metadata__.options`. Other tensors are left alone.
            tensors: Names of tensors in the file, by the fields that they are, such as
                `{"label": "targets"}`; others are called like their field.
            **options: Options in place of the file's.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is not such a file.
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
        """Evaluates files one after another, with a bar of how many are done.

        Args:
            paths: Files, or one, as `evaluate_file` takes them.
            tensors: Names of tensors in the files, as `evaluate_file` takes them.
            **options: Options in place of the files'.

        Returns:
            Their evaluations, in the order of the files. The loss of all of them is
            Σ numerators / Σ denominators.

        Raises:
            OSError: A file cannot be read.
            ValueError: One is not such a file.
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
            attempt: Which start of the trainer it is: one that resumes from a
                checkpoint raises it, and its batches take the place of earlier ones.
        """
        return Run(self, name, attempt)

    def runs(
        self, *, search: str | None = None, sort: requests.RunOrder | None = None
    ) -> Iterator[RunSummary]:
        """Runs in short, all of them or those that match a search.

        Args:
            search: Words, each of which occurs in the name of the run or in one of its
                labels, as `name=value`, in upper or lower case.
            sort: The newest first, the oldest first, by name, or those that were
                updated last first; None for the newest first.

        Raises:
            ProblemError: The service refused.
            UnreachableError: The service could not be reached.
        """
        page = self.transport.send(requests.list_runs(search, sort))
        yield from page["runs"]
        while "next" in page:
            request = requests.list_runs(search, sort, page["next"])
            page = self.transport.send(request)
            yield from page["runs"]

    def info(self) -> Info:
        """What the service is and can do: version, kernel, dtypes, options, limits.

        Raises:
            ProblemError: The service refused.
            UnreachableError: The service could not be reached.
        """
        return self.transport.send(requests.info())

    def close(self) -> None:
        """Closes the connections, but for those of your own making.

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
