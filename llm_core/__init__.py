"""Model, training and inference code behind the demo suite; knows nothing of Gradio.

Layers import downward only: ``cli → tasks → engine → backends``; ``training`` uses ``data`` alone.
"""

__version__ = "0.1.0"
