"""The page: one tab per module, discovered; modules with a leading underscore are what the tabs share.

Nothing here holds a model or a weight: every answer comes from `llm_core.tasks` through the engine.
"""
