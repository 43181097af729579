"""Twilio's official Python SDK against the stand-in for Twilio.

The SDK places, reads and changes calls and numbers; its RequestValidator checks every webhook that
the stand-in sends to a small server in this script, which answers with TwiML that the SDK wrote.

Usage: twilio_rest.py [BASE_URL]
Environment: TWILIO_API_BASE_URL (if no argument), TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN,
TWILIO_PHONE_NUMBER (a number of the account). Defaults are those of the stand-in.
"""

import datetime
import os
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.twiml.voice_response import VoiceResponse

BASE = (sys.argv[1:] + [os.environ.get("TWILIO_API_BASE_URL", "")])[0].rstrip("/")
ACCOUNT = os.environ.get("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000001")
TOKEN = os.environ.get("TWILIO_AUTH_TOKEN", "an-auth-token-for-tests-only")
NUMBER = os.environ.get("TWILIO_PHONE_NUMBER", "+15005550006")
PERSON = "+14155550123"
SOON = 30


def client(token=TOKEN):
    made = Client(ACCOUNT, token)
    made.api.base_url = BASE
    return made


class Application(BaseHTTPRequestHandler):
    """Answers webhooks with TwiML of the SDK and keeps them for the checks."""

    seen = []
    came = threading.Condition()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        params = dict(parse_qsl(body, keep_blank_values=True))
        url = f"http://{self.headers['Host']}{self.path}"
        signature = self.headers.get("X-Twilio-Signature", "")
        valid = RequestValidator(TOKEN).validate(url, params, signature)
        with Application.came:
            Application.seen.append((self.path.split("?")[0], params, valid, signature, url))
            Application.came.notify_all()
        response = VoiceResponse()
        if self.path.startswith("/voice"):
            response.say("Hello from the official library.")
            response.pause(length=1)
            response.hangup()
        elif self.path.startswith("/long"):
            response.pause(length=3600)
        payload = str(response).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_):
        pass


def webhooks(path, sid, count=1):
    """The first `count` webhooks of a call to this path."""

    def found():
        return [seen for seen in Application.seen if seen[0] == path and seen[1]["CallSid"] == sid]

    with Application.came:
        assert Application.came.wait_for(lambda: len(found()) >= count, SOON), (path, found())
        return found()


def webhook(path, sid):
    return webhooks(path, sid)[0]


def own_number(twilio):
    return twilio.incoming_phone_numbers.list(phone_number=NUMBER)[0]


def a_wrong_password_is_refused(_origin):
    try:
        client("wrong").calls("CA" + "0" * 32).fetch()
    except TwilioRestException as error:
        assert error.status == 401, error.status
        assert error.code == 20003, error.code
    else:
        raise AssertionError("not refused")


def a_call_is_created_and_its_webhooks_are_signed(origin):
    twilio = client()
    call = twilio.calls.create(
        to=PERSON,
        from_=NUMBER,
        url=f"{origin}/voice?ref=a%20b&x=%2B1",
        status_callback=f"{origin}/status",
        status_callback_event=["initiated", "ringing", "answered", "completed"],
        timeout=20,
    )
    assert call.sid.startswith("CA") and len(call.sid) == 34, call.sid
    assert call.status == "queued", call.status
    assert call.to == PERSON and call._from == NUMBER, (call.to, call._from)
    assert call.direction == "outbound-api", call.direction
    assert call.price is None and call.duration is None
    assert isinstance(call.date_created, datetime.datetime), call.date_created
    assert call.account_sid == ACCOUNT
    _, params, valid, signature, url = webhook("/voice", call.sid)
    assert valid, f"signature of {url}"
    assert params["CallSid"] == call.sid and params["AccountSid"] == ACCOUNT
    assert params["CallStatus"] == "in-progress", params["CallStatus"]
    assert params["ApiVersion"] == "2010-04-01"
    assert not RequestValidator("another token").validate(url, params, signature)
    assert not RequestValidator(TOKEN).validate(url, {**params, "To": "+1"}, signature)
    statuses, lengths = {}, {}
    for _, params, valid, _, url in webhooks("/status", call.sid, 4):
        assert valid, f"signature of {url}"
        assert params["CallbackSource"] == "call-progress-events"
        statuses[int(params["SequenceNumber"])] = params["CallStatus"]
        lengths[int(params["SequenceNumber"])] = params.get("CallDuration")
    assert statuses == {0: "initiated", 1: "ringing", 2: "in-progress", 3: "completed"}, statuses
    assert [number for number, length in lengths.items() if length] == [3], lengths
    assert int(lengths[3]) >= 1, lengths
    ended = twilio.calls(call.sid).fetch()
    assert ended.status == "completed", ended.status
    assert int(ended.duration) >= 1, ended.duration
    assert isinstance(ended.start_time, datetime.datetime), ended.start_time
    assert isinstance(ended.end_time, datetime.datetime), ended.end_time


def a_call_is_hung_up_and_then_is_gone(origin):
    twilio = client()
    call = twilio.calls.create(to=PERSON, from_=NUMBER, url=f"{origin}/long")
    webhook("/long", call.sid)
    ended = twilio.calls(call.sid).update(status="completed")
    assert ended.status == "completed", ended.status
    try:
        twilio.calls(call.sid).update(status="completed")
    except TwilioRestException as error:
        assert (error.status, error.code) == (404, 20404), (error.status, error.code)
    else:
        raise AssertionError("an ended call was ended again")


def a_call_is_given_new_twiml(origin):
    twilio = client()
    call = twilio.calls.create(to=PERSON, from_=NUMBER, url=f"{origin}/long")
    webhook("/long", call.sid)
    twilio.calls(call.sid).update(url=f"{origin}/voice", method="POST")
    _, params, valid, _, _ = webhook("/voice", call.sid)
    assert valid and params["CallStatus"] == "in-progress"


def a_call_with_inline_twiml_needs_no_url(_origin):
    response = VoiceResponse()
    response.hangup()
    call = client().calls.create(to=PERSON, from_=NUMBER, twiml=response)
    assert call.sid.startswith("CA")


def calls_are_listed_filtered_and_paged(origin):
    twilio = client()
    sids = {
        twilio.calls.create(to="+14155550177", from_=NUMBER, url=f"{origin}/voice").sid
        for _ in range(5)
    }
    since = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=5)
    listed = twilio.calls.list(to="+14155550177", start_time_after=since)
    assert {call.sid for call in listed} >= sids
    paged = [call.sid for call in twilio.calls.stream(to="+14155550177", page_size=2)]
    assert len(paged) == len(set(paged)) and set(paged) >= sids, paged
    assert twilio.calls.list(to="+14155550000") == []


def a_call_that_cannot_be_placed_says_why(origin):
    twilio = client()
    for to, from_, url, code in [
        ("12", NUMBER, f"{origin}/voice", 21211),
        (PERSON, "+14155559999", f"{origin}/voice", 21210),
        (PERSON, NUMBER, None, 21205),
    ]:
        try:
            arguments = {"url": url} if url else {}
            twilio.calls.create(to=to, from_=from_, **arguments)
        except TwilioRestException as error:
            assert (error.status, error.code) == (400, code), (error.status, error.code)
        else:
            raise AssertionError(f"{to} from {from_} was not refused")
    try:
        twilio.calls("CA" + "0" * 32).fetch()
    except TwilioRestException as error:
        assert (error.status, error.code) == (404, 20404), (error.status, error.code)
    else:
        raise AssertionError("an unknown call was found")


def numbers_are_found_bought_and_changed(origin):
    twilio = client()
    for kind in ("local", "toll_free", "mobile"):
        found = getattr(twilio.available_phone_numbers("US"), kind).list(limit=3)
        assert found and all(number.phone_number.startswith("+1") for number in found), kind
    wanted = twilio.available_phone_numbers("US").local.list(area_code=628, limit=1)[0]
    assert wanted.phone_number.startswith("+1628"), wanted.phone_number
    assert wanted.capabilities["voice"] is True
    bought = twilio.incoming_phone_numbers.create(
        phone_number=wanted.phone_number, voice_url=f"{origin}/voice"
    )
    assert bought.sid.startswith("PN") and bought.voice_url == f"{origin}/voice"
    changed = twilio.incoming_phone_numbers(bought.sid).update(
        friendly_name="desk", voice_application_sid="AP" + "1" * 32
    )
    assert changed.friendly_name == "desk"
    assert changed.voice_application_sid == "AP" + "1" * 32
    changed = twilio.incoming_phone_numbers(bought.sid).update(
        voice_application_sid="", trunk_sid="TK" + "1" * 32
    )
    assert changed.trunk_sid == "TK" + "1" * 32
    changed = twilio.incoming_phone_numbers(bought.sid).update(trunk_sid="", voice_method="GET")
    assert (changed.trunk_sid or "") == "" and changed.voice_method == "GET"
    assert twilio.incoming_phone_numbers(bought.sid).fetch().friendly_name == "desk"
    listed = [number.sid for number in twilio.incoming_phone_numbers.list()]
    assert bought.sid in listed and own_number(twilio).sid in listed
    try:
        twilio.incoming_phone_numbers.create(phone_number=wanted.phone_number)
    except TwilioRestException as error:
        assert error.status == 400 and error.code == 21422, (error.status, error.code)
    else:
        raise AssertionError("a number was bought twice")


def a_number_is_pointed_here_as_setup_does_it_and_given_back(origin):
    twilio = client()
    bought = twilio.incoming_phone_numbers.create(
        area_code="415", voice_url="https://old.example/voice", voice_method="GET"
    )
    bound = twilio.incoming_phone_numbers(bought.sid).update(trunk_sid="TK" + "1" * 32)
    assert bound.trunk_sid == "TK" + "1" * 32
    changed = twilio.incoming_phone_numbers(bought.sid).update(
        voice_application_sid="",
        trunk_sid="",
        voice_url=f"{origin}/receive_call",
        voice_method="POST",
        voice_fallback_url=f"{origin}/receive_call",
        voice_fallback_method="POST",
        status_callback=f"{origin}/call_status",
        status_callback_method="POST",
    )
    assert changed.voice_url == f"{origin}/receive_call" and changed.voice_method == "POST"
    assert changed.voice_fallback_url == f"{origin}/receive_call"
    assert changed.voice_fallback_method == "POST"
    assert changed.status_callback == f"{origin}/call_status"
    assert changed.status_callback_method == "POST"
    assert changed.trunk_sid is None and changed.voice_application_sid == ""
    assert changed.capabilities["voice"] is True
    assert twilio.incoming_phone_numbers(bought.sid).delete()
    try:
        twilio.incoming_phone_numbers(bought.sid).fetch()
    except TwilioRestException as error:
        assert (error.status, error.code) == (404, 20404), (error.status, error.code)
    else:
        raise AssertionError("a number that was given back is still there")


def the_account_is_described(_origin):
    account = client().api.v2010.accounts(ACCOUNT).fetch()
    assert account.sid == ACCOUNT and account.status == "active", account
    assert account.type == "Full", account.type
    balance = client().api.v2010.accounts(ACCOUNT).balance.fetch()
    assert float(balance.balance) > 0 and balance.currency == "USD", balance


CHECKS = [
    a_wrong_password_is_refused,
    the_account_is_described,
    a_call_is_created_and_its_webhooks_are_signed,
    a_call_is_hung_up_and_then_is_gone,
    a_call_is_given_new_twiml,
    a_call_with_inline_twiml_needs_no_url,
    calls_are_listed_filtered_and_paged,
    a_call_that_cannot_be_placed_says_why,
    numbers_are_found_bought_and_changed,
    a_number_is_pointed_here_as_setup_does_it_and_given_back,
]


def main():
    if not BASE:
        print(__doc__, file=sys.stderr)
        return 2
    server = ThreadingHTTPServer(("127.0.0.1", 0), Application)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{server.server_address[1]}"
    failed = 0
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        try:
            check(origin)
            print(f"ok      {name}")
        except Exception:  # noqa: BLE001 - every complaint counts, whatever its kind
            failed += 1
            print(f"FAILED  {name}")
            traceback.print_exc()
    server.shutdown()
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
