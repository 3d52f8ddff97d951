"""One user of slixmpp writing to another, every message saved to history.

BENCH_JOB says where and how much; prints one line of JSON. Started by `make bench-chat`.
"""

import asyncio
import json
import os
import time
from xml.etree import ElementTree

from slixmpp import ClientXMPP

JOB = json.loads(os.environ["BENCH_JOB"])
READY = JOB["ready"]


async def connect(person):
    address = f"{person['id']}-{READY['app_id']}@{READY['chat']}"
    client = ClientXMPP(address, person["password"])
    client.ca_certs = READY["ca"]
    online = asyncio.get_running_loop().create_future()

    async def started(_event):
        client.send_presence()
        # The hub answers in order, so this says that it has the presence.
        await client["xep_0199"].send_ping(READY["chat"])
        online.set_result(None)

    def failed(event):
        if not online.done():
            online.set_exception(RuntimeError(f"cannot log in: {event}"))

    client.register_plugin("xep_0199")
    client.add_event_handler("session_start", started)
    client.add_event_handler("failed_all_auth", failed)
    client.add_event_handler("connection_failed", failed)
    host, port = READY["xmpp_tls"].rsplit(":", 1)
    client.enable_direct_tls, client.enable_starttls, client.enable_plaintext = True, False, False
    client.connect(host, int(port))
    await asyncio.wait_for(online, 20)
    return client


async def main():
    writer = await connect(JOB["author"])
    reader = await connect(JOB["receiver"])
    sent_at = {}
    latencies = []
    done = asyncio.get_running_loop().create_future()
    sent = 0

    def write():
        nonlocal sent
        while sent < JOB["messages"] and len(sent_at) < JOB["window"]:
            now = time.perf_counter()
            message = writer.make_message(mto=reader.boundjid.bare, mbody=JOB["body"], mtype="chat")
            message["id"] = IDS[sent]
            extra = ElementTree.SubElement(message.xml, "{jabber:client}extraParams")
            ElementTree.SubElement(extra, "{jabber:client}save_to_history").text = "1"
            ElementTree.SubElement(extra, "{jabber:client}date_sent").text = "1760000000"
            sent_at[message["id"]] = now
            message.send()
            sent += 1

    def received(message):
        since = sent_at.pop(message["id"])
        latencies.append(time.perf_counter() - since)
        if len(latencies) == JOB["messages"]:
            done.set_result(time.perf_counter())
        else:
            write()

    reader.add_event_handler("message", received)
    used = time.process_time()
    begin = time.perf_counter()
    write()
    end = await done
    used = time.process_time() - used
    latencies.sort()

    def quantile(share):
        return latencies[round((len(latencies) - 1) * share)] * 1000

    speed = {"per_second": JOB["messages"] / (end - begin), "p50": quantile(0.5), "p99": quantile(0.99)}
    speed["cost"] = used * 1e6 / JOB["messages"]
    print(json.dumps(speed), flush=True)
    os._exit(0)


# Object ids, which the hub wants for what it stores.
RUN = os.urandom(8).hex()
IDS = [f"{RUN}{number:08x}" for number in range(JOB["messages"])]

asyncio.run(main())
