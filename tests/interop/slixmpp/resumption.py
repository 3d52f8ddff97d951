"""slixmpp keeps its stream over a cut line (XEP-0198), and loses and doubles nothing."""

from client import Client, extra
from site_under_test import run


async def script(site, report):
    alice = await Client(site, site.sign_up("alice"), management=True).log_in()
    bob = await Client(site, site.sign_up("bobby"), management=True).log_in()
    async with report.check("stream management is offered with resumption"):
        for client in (alice, bob):
            await client.events.take(lambda event: event == "sm_enabled", "stream management")
            assert client.plugin["xep_0198"].sm_id, "no id to resume by"
    async with report.check("what was sent is acknowledged"):
        acknowledged = []
        alice.add_event_handler("stanza_acked", lambda stanza: acknowledged.append(stanza["id"]))
        identifier = alice.say(bob.boundjid.bare, "count me")
        await bob.hears(identifier)
        alice.plugin["xep_0198"].request_ack()
        await alice.settled()
        assert identifier in acknowledged, acknowledged
    async with report.check("after a cut the stream resumes, with the same address, in order"):
        before = bob.boundjid.full
        await bob.cut()
        sent = [alice.say(bob.boundjid.bare, f"number {number}") for number in range(20)]
        await alice.settled()
        assert await bob.resume() == "session_resumed"
        assert bob.boundjid.full == before, bob.boundjid
        received = [await bob.messages.take(lambda m: m["id"] in sent, "missed message") for _ in sent]
        assert [message["id"] for message in received] == sent, [message["body"] for message in received]
    async with report.check("nothing came twice"):
        await bob.settled()
        bodies = [message["body"] for message in bob.messages.items]
        assert bodies == [], bodies
    async with report.check("what was on its way when the line broke arrives once, in order"):
        sent = [bob.say(alice.boundjid.bare, f"cut {number}") for number in range(20)]
        # Everything is in slixmpp's hands: written, or kept to be written again.
        await bob.flushed()
        await bob.cut()
        assert await bob.resume() == "session_resumed"
        last = bob.say(alice.boundjid.bare, "the end")
        await alice.hears(last)
        arrived = [message["id"] for message in alice.messages.items if message["id"] in sent]
        assert arrived == sent, f"{len(arrived)} of {len(sent)}: {arrived}"
    async with report.check("a line closed politely, but with the stream left open, resumes too"):
        bob.abort()
        await bob.events.take(lambda event: event == "disconnected", "disconnection")
        identifier = alice.say(bob.boundjid.bare, "were you gone?")
        await alice.settled()
        assert await bob.resume() == "session_resumed"
        await bob.hears(identifier)
    async with report.check("a stream that nobody knows is not resumed, and a new one begins"):
        bob.plugin["xep_0198"].sm_id = "no-such-stream"
        await bob.cut()
        assert await bob.resume() == "session_start"
        bob.send_presence()
        await bob.settled()
        identifier = alice.say(bob.boundjid.bare, "and on")
        message = await bob.hears(identifier)
        assert extra(message, "dialog_id"), message
    for client in (alice, bob):
        await client.log_out()


run(script)
