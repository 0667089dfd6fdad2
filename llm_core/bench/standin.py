"""A stand-in for a serving engine: it speaks the OpenAI protocol and writes words at a set pace, some answers at once:
``python -m llm_core.bench.standin PORT SLOTS MILLISECONDS_PER_TOKEN``.

It is limited by itself: its tokens cost no processor time, so what is measured in front of it is what stands in front.
"""

from __future__ import annotations

import asyncio
import json
import sys

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
_HEALTHY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


class StandIn:
    """The server.

    Args:
        slots: Answers that it writes at once; others wait.
        seconds: Time a token takes.
    """

    def __init__(self, slots: int, seconds: float) -> None:
        self._slots = asyncio.Semaphore(slots)
        self._seconds = seconds

    async def serve(self, port: int) -> None:
        """Until the process ends."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", port, backlog=512)
        async with server:
            await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            if head.startswith("get "):
                writer.write(_HEALTHY)
            else:
                length = int(head.partition("content-length:")[2].split("\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                async with self._slots:
                    await self._write(writer, int(body["max_tokens"]))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked has left
        finally:
            writer.close()

    async def _write(self, writer: asyncio.StreamWriter, tokens: int) -> None:
        writer.write(_HEAD)
        for number in range(tokens):
            await asyncio.sleep(self._seconds)
            writer.write(_event({"choices": [{"index": 0, "delta": {"content": f"word{number} "}}]}))
            await writer.drain()
        writer.write(_event({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}) + b"data: [DONE]\n\n")


def _event(chunk: object) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


if __name__ == "__main__":
    asyncio.run(StandIn(int(sys.argv[2]), float(sys.argv[3]) / 1000).serve(int(sys.argv[1])))
