"""Names that notebooks of *Dive into Deep Learning* 0.17 use besides the training loop.

Its chapters 3 and 4 call many functions by the same name in every framework. If you ask
for another name of that book, a message says which chapter it comes from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from d2lutils import metrics, plotting
from d2lutils.arguments import to_numpy
from d2lutils.fashion_mnist import get_fashion_mnist_labels
from d2lutils.metrics import *  # noqa: F403
from d2lutils.minibatches import get_dataloader_workers
from d2lutils.plotting import *  # noqa: F403

# The same objects in every framework's module.
READY = (get_fashion_mnist_labels.__name__, get_dataloader_workers.__name__)
__all__ = [*metrics.__all__, *plotting.__all__, *READY]

# Nearly all frameworks have these functions themselves.
SHORT = (
    *("abs", "arange", "argmax", "concat", "cos", "cosh", "exp", "eye", "float32"),
    *("int32", "linspace", "log", "matmul", "meshgrid", "normal", "ones", "rand"),
    *("reduce_mean", "reduce_sum", "reshape", "sin", "sinh", "stack", "tanh"),
    *("tensor", "transpose", "zeros"),
)
# What every framework's module offers besides its aliases.
EVERYWHERE = (
    *__all__,
    *("load_data_fashion_mnist", "accuracy", "evaluate_accuracy", "evaluate_loss"),
    *("predict_ch3", "sgd", "train_epoch_ch3", "train_ch3", "set_seed", "try_gpu"),
    *("try_all_gpus", "load_array", "synthetic_data", "linreg", "squared_loss"),
)

# Where that book defines the names that this library lacks.
ELSEWHERE = {
    "the downloads of the section on house prices in Multilayer Perceptrons": (
        "DATA_HUB DATA_URL download download_all download_extract"
    ),
    "the chapter Convolutional Neural Networks": (
        "TrainCallback corr2d evaluate_accuracy_gpu train_ch6"
    ),
    "the chapter Modern Convolutional Neural Networks": "Residual",
    "the chapter Recurrent Neural Networks": (
        "RNNModel RNNModelScratch SeqDataLoader Vocab count_corpus grad_clipping "
        "load_corpus_time_machine load_data_time_machine predict_ch8 read_time_machine "
        "seq_data_iter_random seq_data_iter_sequential tokenize train_ch8 "
        "train_epoch_ch8"
    ),
    "the chapter Modern Recurrent Neural Networks": (
        "Decoder Encoder EncoderDecoder MaskedSoftmaxCELoss Seq2SeqEncoder bleu "
        "build_array_nmt load_data_nmt predict_seq2seq preprocess_nmt read_data_nmt "
        "sequence_mask show_list_len_pair_hist tokenize_nmt train_seq2seq truncate_pad"
    ),
    "the chapter Attention Mechanisms": (
        "AddNorm AdditiveAttention AttentionDecoder DotProductAttention EncoderBlock "
        "MultiHeadAttention PositionWiseFFN PositionalEncoding TransformerEncoder "
        "masked_softmax show_heatmaps transpose_output transpose_qkv"
    ),
    "the chapter Optimization Algorithms": (
        "annotate get_data_ch11 show_trace_2d train_2d train_ch11 train_concise_ch11"
    ),
    "the chapter Computational Performance": (
        "Benchmark evaluate_accuracy_gpus resnet18 split_batch"
    ),
    "the chapter Computer Vision": (
        "BananasDataset VOCSegDataset assign_anchor_to_bbox bbox_to_rect "
        "box_center_to_corner box_corner_to_center box_iou copyfile load_data_bananas "
        "load_data_voc multibox_detection multibox_prior multibox_target nms "
        "offset_boxes offset_inverse read_csv_labels read_data_bananas read_voc_images "
        "reorg_test reorg_train_valid show_bboxes train_batch_ch13 train_ch13 "
        "voc_colormap2label voc_label_indices voc_rand_crop"
    ),
    "the chapters on Natural Language Processing": (
        "BERTEncoder BERTModel MaskLM NextSentencePred RandomGenerator SNLIDataset "
        "TokenEmbedding batchify get_centers_and_contexts get_negatives "
        "get_tokens_and_segments load_data_imdb load_data_ptb load_data_snli "
        "load_data_wiki predict_sentiment predict_snli read_imdb read_ptb read_snli "
        "split_batch_multi_inputs subsample"
    ),
    "the chapter Recommender Systems": (
        "BPRLoss CTRDataset HingeLossbRec evaluate_ranking hit_and_auc "
        "load_data_ml100k read_data_ml100k split_and_load_ml100k split_data_ml100k "
        "train_ranking train_recsys_rating"
    ),
    "the chapter Generative Adversarial Networks": "update_D update_G",
    "release 1.0, which is written in classes": (
        "Classifier DataModule FashionMNIST HyperParameters LinearRegression "
        "LinearRegressionScratch Module ProgressBoard SGD SoftmaxRegression "
        "SyntheticRegressionData Trainer add_to_class"
    ),
}


def method(name: str) -> Callable[..., Any]:
    """Return a function that calls this method of its first argument."""

    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(x, name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    return call


def aliases(library: Any, **own: Any) -> dict[str, Any]:
    """Return a framework's functions by the names that are the same in every framework.

    Args:
        library: The framework.
        own: Functions that it has under other names, or with other arguments.
    """
    return {
        **{name: getattr(library, name) for name in SHORT if hasattr(library, name)},
        "numpy": to_numpy,
        "size": lambda x: int(np.prod(x.shape)),
        **own,
    }


def missing(
    module: str, offered: list[str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and the ``__dir__`` of a framework's module."""

    def __getattr__(name: str) -> Any:
        message = f"module {module!r} has no attribute {name!r}"
        for place, names in ELSEWHERE.items():
            if name in names.split():
                message += f". In Dive into Deep Learning it belongs to {place}"
        if not name.startswith("_"):
            message += (
                ". This module has what the notebooks of release 0.17 use in the "
                "chapters Linear Neural Networks and Multilayer Perceptrons, except "
                "downloads. dir(d2l) lists it"
            )
        raise AttributeError(message, name=name)

    return __getattr__, lambda: sorted(offered)
