"""One running service a module, by a clock, seeds and passwords that cost and change nothing."""

from tests.support.service_stage import service_stage

__all__ = ["service_stage"]
