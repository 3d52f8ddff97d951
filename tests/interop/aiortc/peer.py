"""One end of a call with aiortc: sends a picture and silence, and tells what it decodes.

Lines of JSON: {"kind": "offer" | "answer", "sdp"}, {"kind": "candidate", "candidate", "mid"} and, from
here, {"kind": "received", "video", "audio"} five times a second, frames so far.

Usage: peer.py offer|answer
"""

import asyncio
import json
import sys

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack
from aiortc.sdp import candidate_from_sdp


def tell(**line):
    print(json.dumps(line), flush=True)


async def count(track, counts):
    try:
        while True:
            await track.recv()
            counts[track.kind] += 1
    except MediaStreamError:
        pass


async def lines():
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


async def hear(link):
    async for line in lines():
        if line["kind"] == "candidate":
            candidate = candidate_from_sdp(line["candidate"].removeprefix("candidate:"))
            candidate.sdpMid = line["mid"]
            await link.addIceCandidate(candidate)
            continue
        await link.setRemoteDescription(RTCSessionDescription(line["sdp"], line["kind"]))
        if line["kind"] == "offer":
            await link.setLocalDescription(await link.createAnswer())
            tell(kind="answer", sdp=link.localDescription.sdp)


async def main(role):
    link = RTCPeerConnection()
    counts = {"video": 0, "audio": 0}
    link.on("track", lambda track: asyncio.ensure_future(count(track, counts)))
    link.addTrack(AudioStreamTrack())
    link.addTrack(VideoStreamTrack())
    if role == "offer":
        await link.setLocalDescription(await link.createOffer())
        tell(kind="offer", sdp=link.localDescription.sdp)
    hearing = asyncio.ensure_future(hear(link))
    while not hearing.done():
        await asyncio.sleep(0.2)
        tell(kind="received", **counts)
    hearing.result()
    await link.close()


asyncio.run(main(sys.argv[1]))
