"""The host's side of Kerberos, one JSON object a line: MIT's library through python3-gssapi, sealing in the parts that Windows sends."""
import base64
import json
import sys

from gssapi import Credentials, SecurityContext, raw
from gssapi.exceptions import GSSError

TYPE = raw.IOVBufferType
# Refusals are to be raised, not kept for later.
SecurityContext.__DEFER_STEP_ERRORS__ = False
credentials = Credentials(usage="accept")
contexts = {}


def accept(session, token, bindings=None):
    bound = None if bindings is None else raw.ChannelBindings(application_data=bindings)
    context = SecurityContext(creds=credentials, usage="accept", channel_bindings=bound)
    answer = context.step(token)
    contexts[session] = context
    return {"token": answer, "user": str(context.initiator_name).encode()}


def seal(session, message):
    parts = raw.IOV(TYPE.header, message, TYPE.padding, std_layout=False)
    raw.wrap_iov(contexts[session], parts, True)
    return {"signature": parts[0].value, "sealed": parts[1].value + (parts[2].value or b"")}


def unseal(session, signature, sealed):
    parts = raw.IOV((TYPE.header, False, signature), sealed, std_layout=False)
    result = raw.unwrap_iov(contexts[session], parts)
    if not result.encrypted:
        raise ValueError("not encrypted")
    return {"message": parts[1].value}


for line in sys.stdin:
    asked = json.loads(line)
    work = {"accept": accept, "seal": seal, "unseal": unseal}[asked.pop("do")]
    number = asked.pop("number")
    session = asked.pop("session")
    try:
        found = work(session, **{name: base64.b64decode(text) for name, text in asked.items()})
        answer = {name: base64.b64encode(each or b"").decode() for name, each in found.items()}
    except (GSSError, AttributeError, ValueError) as error:
        answer = {"error": str(error)}
    print(json.dumps({"number": number, **answer}), flush=True)
