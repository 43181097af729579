"""Runs the official OpenAI SDK against the stand-in for OpenAI Realtime.

    python tests/sdk/openai_realtime.py http://127.0.0.1:PORT/v1

The address may also be in OPENAI_BASE_URL. Any brain will do. Every event received is held to
the SDK's own type for it, strictly: the SDK itself would take anything. Prints
"N passed, 0 failed"; exits 1 on any complaint.
"""

import asyncio
import json
import os
import sys
import typing

import openai
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

PATIENCE_S = 20


def adapters():
    """The SDK's type of each server event, by the event's name."""
    union = typing.get_args(RealtimeServerEvent)
    # Annotated[Union[...], ...]: the union is the first argument.
    members = typing.get_args(union[0]) or union
    by_name = {}
    for member in members:
        (name,) = typing.get_args(member.model_fields["type"].annotation)
        by_name[name] = TypeAdapter(member)
    return by_name


ADAPTERS = adapters()


class Complaint(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Complaint(what)


class Socket:
    """A connection of the SDK, of which every event is checked."""

    def __init__(self, connection):
        self.connection = connection
        self.seen = set()

    async def send(self, **event):
        await self.connection.send(event)

    async def event(self):
        data = await asyncio.wait_for(self.connection.recv_bytes(), PATIENCE_S)
        raw = json.loads(data)
        name = raw.get("type")
        expect(name in ADAPTERS, f"the SDK knows no event {name!r}")
        ADAPTERS[name].validate_json(data, strict=True)
        unlisted = [key for key in raw if key not in ADAPTERS[name]._type.model_fields]
        expect(not unlisted, f"{name} has fields that the SDK does not know: {unlisted}")
        self.seen.add(name)
        # What the SDK makes of it has to say the same.
        expect(self.connection.parse_event(data).type == name, f"{name} is parsed as another")
        return raw

    async def until(self, name):
        """All events up to the next one of this name."""
        events = []
        while not events or events[-1]["type"] != name:
            events.append(await self.event())
        return events

    async def refused(self, code, **event):
        await self.send(event_id="mine", **event)
        (error,) = await self.until("error")
        got = (error["error"]["code"], error["error"]["event_id"])
        expect(got == (code, "mine"), f"{event['type']}: expected {code}, got {error['error']}")

    async def text_mode(self, **session):
        expect((await self.event())["type"] == "session.created", "no session.created")
        await self.connection.session.update(
            session={"type": "realtime", "output_modalities": ["text"], **session}
        )
        (updated,) = await self.until("session.updated")
        return updated["session"]

    async def say(self, text):
        content = [{"type": "input_text", "text": text}]
        await self.connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": content}
        )
        return (await self.until("conversation.item.done"))[-1]["item"]

    async def respond(self, **response):
        await self.connection.response.create(response=response)
        return await self.until("rate_limits.updated")


def text_of(events):
    return "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")


def done(events):
    return next(e["response"] for e in events if e["type"] == "response.done")


async def a_session_is_updated(socket):
    session = await socket.text_mode(
        instructions="Be brief.", audio={"input": {"turn_detection": None}}
    )
    expect(session["output_modalities"] == ["text"], "the mode was not applied")
    expect(session["instructions"] == "Be brief.", "the instructions were not applied")
    expect(session["audio"]["input"]["turn_detection"] is None, "turn detection is still on")


async def a_text_turn_is_answered(socket):
    await socket.text_mode()
    await socket.say("hello there")
    events = await socket.respond(metadata={"turn": "1"})
    response = done(events)
    expect(response["status"] == "completed", f"ended as {response['status']}")
    expect(response["metadata"] == {"turn": "1"}, "the metadata is lost")
    expect(text_of(events) != "", "nothing was said")
    said = response["output"][0]["content"][0]["text"]
    expect(said == text_of(events), "the deltas are not the text")
    usage = response["usage"]
    total = usage["input_tokens"] + usage["output_tokens"]
    expect(usage["total_tokens"] == total, "the usage does not add up")


async def a_function_is_called_and_answered(socket):
    tool = {"type": "function", "name": "book", "parameters": {"type": "object", "properties": {}}}
    await socket.text_mode(tools=[tool])
    await socket.say("a table for two please")
    events = await socket.respond(tool_choice={"type": "function", "name": "book"})
    call = done(events)["output"][-1]
    expect(call["type"] == "function_call" and call["name"] == "book", f"no call: {call}")
    json.loads(call["arguments"])
    await socket.connection.conversation.item.create(
        item={"type": "function_call_output", "call_id": call["call_id"], "output": "{}"}
    )
    await socket.until("conversation.item.done")
    events = await socket.respond()
    expect(done(events)["status"] == "completed", "no answer to the function's result")


async def a_response_is_cancelled(socket):
    await socket.text_mode()
    await socket.say("tell me everything about your opening hours")
    await socket.connection.response.create()
    await socket.until("response.output_text.delta")
    await socket.connection.response.cancel()
    response = done(await socket.until("rate_limits.updated"))
    expect(response["status"] == "cancelled", f"ended as {response['status']}")
    expect(response["status_details"]["reason"] == "client_cancelled", "the wrong reason")
    await socket.refused("response_cancel_not_active", type="response.cancel")


async def items_are_placed_read_and_deleted(socket):
    await socket.text_mode()
    content = [{"type": "output_text", "text": "As I was saying"}]
    first = await socket.say("hello")
    await socket.connection.conversation.item.create(
        previous_item_id=first["id"],
        item={"id": "heard_1", "type": "message", "role": "assistant", "content": content},
    )
    placed = (await socket.until("conversation.item.done"))[-1]
    expect(placed["previous_item_id"] == first["id"], "the item is not where it was put")
    await socket.connection.conversation.item.retrieve(item_id="heard_1")
    (read,) = await socket.until("conversation.item.retrieved")
    expect(read["item"]["content"][0]["text"] == "As I was saying", "another item was read")
    await socket.connection.conversation.item.delete(item_id="heard_1")
    await socket.until("conversation.item.deleted")
    gone = {"type": "conversation.item.delete", "item_id": "heard_1"}
    await socket.refused("item_delete_invalid_item_id", **gone)


async def mistakes_are_named_and_harmless(socket):
    await socket.text_mode()
    await socket.refused("missing_required_parameter", type="session.update", session={})
    await socket.refused(
        "unknown_parameter",
        type="session.update",
        session={"type": "realtime", "temperature": 0.7},
    )
    await socket.refused("invalid_value", type="no.such.event")
    await socket.refused("input_audio_buffer_commit_empty", type="input_audio_buffer.commit")
    await socket.say("are you still there")
    expect(done(await socket.respond())["status"] == "completed", "the session did not go on")


async def a_turn_in_sound_is_answered(socket):
    expect((await socket.event())["type"] == "session.created", "no session.created")
    pcmu = {"type": "audio/pcmu"}
    audio = {"input": {"format": pcmu, "turn_detection": None}, "output": {"format": pcmu}}
    await socket.connection.session.update(session={"type": "realtime", "audio": audio})
    await socket.until("session.updated")
    await socket.connection.input_audio_buffer.append(audio="/" * 1068)
    await socket.connection.input_audio_buffer.commit()
    await socket.until("conversation.item.done")
    item = done(await socket.respond())["output"][0]
    expect(item["content"][0]["type"] == "output_audio", "not in sound")
    await socket.connection.conversation.item.truncate(
        item_id=item["id"], content_index=0, audio_end_ms=40
    )
    await socket.until("conversation.item.truncated")
    await socket.connection.input_audio_buffer.clear()
    await socket.until("input_audio_buffer.cleared")


SOCKET_CHECKS = [
    a_session_is_updated,
    a_text_turn_is_answered,
    a_function_is_called_and_answered,
    a_response_is_cancelled,
    items_are_placed_read_and_deleted,
    mistakes_are_named_and_harmless,
    a_turn_in_sound_is_answered,
]


async def models_tell_when_they_end(client):
    models = {model.id: model async for model in await client.models.list()}
    expect(models["gpt-realtime"].shutdown_date is not None, "no day for gpt-realtime")
    expect(models["gpt-realtime-2.1"].shutdown_date is None, "a day for gpt-realtime-2.1")


async def an_ended_model_is_not_found(client):
    try:
        async with client.realtime.connect(model="gpt-4o-realtime-preview"):
            pass
    except Exception as refusal:
        status = getattr(getattr(refusal, "response", None), "status_code", None)
        expect(status == 404, f"refused, but by {refusal!r}")
        return
    raise Complaint("an ended model was let in")


async def run(base_url):
    client = openai.AsyncOpenAI(
        api_key="test-key",
        base_url=base_url,
        websocket_base_url=base_url.replace("http", "ws", 1),
        max_retries=0,
    )
    passed, failed, seen = 0, 0, set()

    async def attempt(name, check):
        nonlocal passed, failed
        try:
            await asyncio.wait_for(check, PATIENCE_S)
            passed += 1
        except Exception as error:
            failed += 1
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)

    async def on_a_socket(check):
        async with client.realtime.connect(model="gpt-realtime-2.1") as connection:
            socket = Socket(connection)
            try:
                await check(socket)
            finally:
                seen.update(socket.seen)

    for check in SOCKET_CHECKS:
        await attempt(check.__name__, on_a_socket(check))
    for check in (models_tell_when_they_end, an_ended_model_is_not_found):
        await attempt(check.__name__, check(client))
    print(f"openai {openai.__version__}: {len(seen)} kinds of event")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def main():
    base_url = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("OPENAI_BASE_URL")
    if not base_url:
        print(__doc__, file=sys.stderr)
        return 2
    return asyncio.run(run(base_url.rstrip("/")))


if __name__ == "__main__":
    sys.exit(main())
