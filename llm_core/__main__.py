"""``python -m llm_core``: see `llm_core.cli`."""

from llm_core.cli import main

if __name__ == "__main__":
    main()
