"""Signs in by Basic and by NTLM, with sealed messages and without, and runs programs: what python3-winrm thinks of the host."""
import json
import sys

import winrm
from winrm.exceptions import InvalidCredentialsError

http, https, certificate, user, password = sys.argv[1:6]
ways = {
    "basic over https": (https, {"transport": "basic", "ca_trust_path": certificate}),
    "ntlm over https": (https, {"transport": "ntlm", "ca_trust_path": certificate}),
    "ntlm, sealed": (http, {"transport": "ntlm", "message_encryption": "always"}),
}
found = {}
for name, (address, options) in ways.items():
    session = winrm.Session(address, auth=(user, password), **options)
    good = session.run_cmd("hostname")
    bad = session.run_cmd("nosuchprogram", ["a"])
    found[name] = {
        "host": good.std_out.decode().strip(),
        "code": good.status_code,
        "unknown": bad.status_code,
    }
    try:
        winrm.Session(address, auth=(user, "wrong"), **options).run_cmd("hostname")
        found[name]["wrong password"] = "accepted"
    except InvalidCredentialsError:
        found[name]["wrong password"] = "refused"
print(json.dumps(found))
