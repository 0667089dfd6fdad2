"""Putting the page on a Hugging Face Space: what goes up, what is installed there, and the calls that do it."""

from __future__ import annotations

from llm_core.deploy.bundle import BundleFile, bundle
from llm_core.deploy.space import Deployment, SpaceOptions

__all__ = ["BundleFile", "Deployment", "SpaceOptions", "bundle"]
