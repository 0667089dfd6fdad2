# The page on CPUs, with the embedded models inside: docker build -t llm-showcase .
FROM python:3.12.12-slim
RUN useradd --create-home --uid 1000 page && install -d -o page /app
WORKDIR /app
COPY requirements.txt constraints.txt ./
# An index that has torch without CUDA's libraries makes the image several GB smaller: --build-arg TORCH_INDEX=URL.
ARG TORCH_INDEX=
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -r requirements.txt
USER page
ENV GRADIO_SERVER_NAME=0.0.0.0 LLM_CORE_CACHE_DIR=/app/.cache
COPY --chown=page . .
RUN python -m llm_core pull --embedded
EXPOSE 7860
CMD ["python", "app.py"]
