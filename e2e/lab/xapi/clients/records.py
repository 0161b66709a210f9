"""Debian's XenAPI.py over XML-RPC: log in, read records, follow events, tasks; a disk in and out by Python's own HTTP."""
import hashlib
import http.client
import json
import ssl
import struct
import sys
import tarfile
import urllib.parse

from os_xenapi.client import XenAPI

url, user, password, shared, disk_name = sys.argv[1:6]
told = {}

try:
    XenAPI.Session(url).login_with_password(user, "wrong")
except XenAPI.Failure as failure:
    told["wrong"] = failure.details[0]

session = XenAPI.Session(url)
session.login_with_password(user, password)
api = session.xenapi
told["version"] = session.API_version
told["pool"] = api.pool.get_record(api.pool.get_all()[0])["name_label"]
records = api.VM.get_all_records()
told["vms"] = sorted(r["name_label"] for r in records.values() if not r["is_a_template"] and not r["is_control_domain"])
vm = api.VM.get_by_name_label("web01")[0]
told["memory"] = records[vm]["memory_static_max"]

token = getattr(api.event, "from")(["vm"], "", 1.0)["token"]
task = getattr(api, "Async").VM.start(vm, False, False)
batch = getattr(api.event, "from")(["vm"], token, 10.0)
told["event"] = [[e["class"], e["operation"], e["snapshot"]["power_state"]] for e in batch["events"] if e["ref"] == vm]
while api.task.get_status(task) == "pending":
    pass
told["task"] = api.task.get_status(task)
try:
    api.VM.start(vm, False, False)
except XenAPI.Failure as failure:
    told["twice"] = failure.details[0]
try:
    api.VM.clean_shutdown(vm)
except XenAPI.Failure as failure:
    told["tools"] = failure.details[0]
api.VM.hard_shutdown(vm)

size = 8 << 20
sr = api.SR.get_by_name_label(shared)[0]
vdi = api.VDI.create({"name_label": disk_name, "name_description": "", "SR": sr, "virtual_size": str(size), "type": "user",
                      "sharable": False, "read_only": False, "other_config": {}})
where = urllib.parse.urlparse(url)


def request(method, path, body=None, headers={}, **query):
    query["session_id"] = session.handle
    query["vdi"] = vdi
    connection = http.client.HTTPSConnection(where.hostname, where.port, timeout=20)
    connection.request(method, path + "?" + urllib.parse.urlencode(query), body, headers)
    # To the end: the answer's head comes before the body is taken, and a connection that goes cuts it.
    response = connection.getresponse()
    return response.status, response.read()


head, tail = b"head" * 1024, b"tail" * 1024
body = b"".join(struct.pack("<QI", at, len(data)) + data for at, data in ((size - len(tail), tail), (0, head))) + bytes(12)
task = api.task.create("import", "")
told["put"] = request("PUT", "/import_raw_vdi", body, format="raw", chunked="true", task_id=task)[0]
while api.task.get_status(task) == "pending":
    pass
told["import"] = api.task.get_status(task)
refused = api.task.create("chunked", "")
told["chunked"] = request("PUT", "/import_raw_vdi", iter([b"x"]), {"Transfer-Encoding": "chunked"}, format="raw", task_id=refused)[0]
told["refused"] = api.task.get_status(refused)
data = request("GET", "/export_raw_vdi", format="raw")[1]
expected = head + bytes(size - len(head) - len(tail)) + tail
told["same"] = hashlib.sha256(data).hexdigest() == hashlib.sha256(expected).hexdigest()
open(sys.argv[6], "wb").write(request("GET", "/export_raw_vdi", format="vhd")[1])
open(sys.argv[7], "wb").write(data)
told["used"] = int(api.VDI.get_physical_utilisation(vdi)) < size
api.VDI.destroy(vdi)


def export(uuid, name):
    """Answers with the HTTP status and the task's; what came lies in a file of that name."""
    task = api.task.create("export", "")
    status, bytes = request("GET", "/export", uuid=uuid, use_compression="false", task_id=task)
    while api.task.get_status(task) == "pending":
        pass
    outcome = api.task.get_status(task)
    api.task.destroy(task)
    if status == 200:
        open(name, "wb").write(bytes)
    return [status, outcome]


told["xva"] = export(records[vm]["uuid"], sys.argv[8])
api.VM.start(vm, False, False)
told["running"] = export(records[vm]["uuid"], sys.argv[9])
snapshot = api.VM.snapshot(vm, "for the export")
told["snapshot"] = export(api.VM.get_uuid(snapshot), sys.argv[9])
told["alike"] = []
for name in sys.argv[8:10]:
    with tarfile.open(name) as archive:
        told["alike"].append(
            [m.name.split("/")[-1] + " " + hashlib.sha1(archive.extractfile(m).read()).hexdigest() for m in archive if m.name != "ova.xml"]
        )
told["alike"] = len(told["alike"][0]) > 2 and told["alike"][0] == told["alike"][1]
for vbd in api.VM.get_VBDs(snapshot):
    api.VDI.destroy(api.VBD.get_VDI(vbd))
api.VM.destroy(snapshot)
api.VM.hard_shutdown(vm)
session.logout()
print(json.dumps(told))
