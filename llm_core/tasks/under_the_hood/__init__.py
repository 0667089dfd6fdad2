"""What happens in a language model of ours between a text and its answer, as values small enough to be drawn.

task       request, result, one forward pass       reduce    its tensors as pieces, shares, probabilities, points
"""

from llm_core.tasks.under_the_hood.task import MAX_PIECES, TASK, InspectionRequest, InspectionResult

__all__ = ["MAX_PIECES", "TASK", "InspectionRequest", "InspectionResult"]
