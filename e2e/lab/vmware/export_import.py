"""pyvmomi against a vSphere endpoint: export_import.py PORT USER PASSWORD export VM FILE | import NAME FILE BYTES

A client of VMware's own making; what it can do through the proxy, ours may rely on."""
import ssl
import sys
import threading
import time
import urllib.request

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim

port, user, password, verb, *rest = sys.argv[1:]
context = ssl._create_unverified_context()
service = SmartConnect(host="127.0.0.1", port=int(port), user=user, pwd=password, sslContext=context)
content = service.RetrieveContent()


def every(kind):
    view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
    try:
        return list(view.view)
    finally:
        view.Destroy()


def ready(lease):
    for _ in range(200):
        if lease.state == vim.HttpNfcLease.State.ready:
            return lease.info
        if lease.state == vim.HttpNfcLease.State.error:
            raise SystemExit(lease.error.msg)
        time.sleep(0.05)
    raise SystemExit("the lease does not become ready")


def address(device):
    return device.url.replace("*", "127.0.0.1:%s" % port)


def keep(lease, stop):
    while not stop.wait(0.5):
        lease.HttpNfcLeaseProgress(50)


if verb == "export":
    name, target = rest
    vm = next(v for v in every(vim.VirtualMachine) if v.name == name)
    lease = vm.ExportVm()
    info = ready(lease)
    stop = threading.Event()
    thread = threading.Thread(target=keep, args=(lease, stop))
    thread.start()
    try:
        device = next(d for d in info.deviceUrl if d.disk)
        with urllib.request.urlopen(address(device), context=context) as source, open(target, "wb") as sink:
            while chunk := source.read(1 << 20):
                sink.write(chunk)
    finally:
        stop.set()
        thread.join()
    lease.HttpNfcLeaseComplete()
else:
    name, source, size = rest
    pool = every(vim.ResourcePool)[0]
    store = every(vim.Datastore)[0]
    controller = vim.vm.device.VirtualLsiLogicController(key=-100, busNumber=0, sharedBus="noSharing")
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName="", diskMode="persistent", thinProvisioned=True)
    disk = vim.vm.device.VirtualDisk(
        key=-101, controllerKey=-100, unitNumber=0, backing=backing, capacityInKB=int(size) // 1024, capacityInBytes=int(size)
    )
    add = vim.vm.device.VirtualDeviceSpec.Operation.add
    create = vim.vm.device.VirtualDeviceSpec.FileOperation.create
    config = vim.vm.ConfigSpec(
        name=name,
        guestId="otherLinux64Guest",
        numCPUs=1,
        memoryMB=64,
        files=vim.vm.FileInfo(vmPathName="[%s]" % store.name),
        deviceChange=[
            vim.vm.device.VirtualDeviceSpec(operation=add, device=controller),
            vim.vm.device.VirtualDeviceSpec(operation=add, fileOperation=create, device=disk),
        ],
    )
    lease = pool.ImportVApp(vim.vm.VmImportSpec(configSpec=config), None, None)
    info = ready(lease)
    device = next(d for d in info.deviceUrl if d.disk)
    with open(source, "rb") as body:
        data = body.read()
    request = urllib.request.Request(
        address(device), data=data, method="POST", headers={"Content-Type": "application/x-vnd.vmware-streamVmdk"}
    )
    urllib.request.urlopen(request, context=context).read()
    lease.HttpNfcLeaseComplete()
    print(info.entity._moId)
Disconnect(service)
