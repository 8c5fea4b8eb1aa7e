"""Datasets as streams for training: accepted samples out of Kafka, resumable, split, shuffled."""

from iqstream.dataset.batch import Batch, Truths
from iqstream.dataset.iq_stream import IQStream
from iqstream.dataset.log import OffsetExpired
from iqstream.dataset.stream import FeatureStream

__all__ = ["Batch", "FeatureStream", "IQStream", "OffsetExpired", "Truths"]
