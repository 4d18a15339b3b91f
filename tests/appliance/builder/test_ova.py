"""Descriptor, manifest, signature and archive; and what VMware's simulator makes of them."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import subprocess
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from lxml import etree

from bitfusion_appliance.builder import ova, vmdk
from bitfusion_appliance.builder.ova import Hardware, Signer
from bitfusion_appliance.firstboot import vcenter
from bitfusion_appliance.properties import HOST, table
from tests.appliance import vcsim
from tools.vcsim import fetch

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
VMW = "{http://www.vmware.com/schema/ovf}"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small appliance: every part of the real one but the system on the disk."""
    folder = tmp_path_factory.mktemp("package")
    disk = folder / "disk.raw"
    with disk.open("wb") as file:
        file.truncate(1 << 20)
        file.write(b"system")
    written = vmdk.write(disk, folder / "small-disk1.vmdk", 17)
    descriptor = folder / "small.ovf"
    descriptor.write_text(ova.descriptor(table(), "1.2.3", Hardware(), "small-disk1.vmdk", written))
    manifest = folder / "small.mf"
    manifest.write_text(ova.manifest([descriptor, folder / "small-disk1.vmdk"]))
    certificate = folder / "small.cert"
    certificate.write_text(ova.signature(manifest, _signer(folder)))
    ova.archive(folder / "small.ova", [descriptor, manifest, certificate, folder / "small-disk1.vmdk"], 1_700_000_000)
    return folder / "small.ova"


def _signer(folder: Path) -> Signer:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "publisher")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    certificate = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "publisher.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Signer(folder / "key.pem", folder / "publisher.pem")


@pytest.fixture(scope="module")
def envelope(package: Path) -> ElementTree.Element:
    """The descriptor."""
    return ElementTree.parse(package.with_suffix(".ovf")).getroot()


def test_archive(package: Path) -> None:
    """USTAR, the descriptor first, then manifest, signature and disk; nothing of the builder's machine."""
    with tarfile.open(package) as archive:
        rows = archive.getmembers()
        assert [row.name for row in rows] == ["small.ovf", "small.mf", "small.cert", "small-disk1.vmdk"]
        assert {(row.uid, row.uname, row.mtime, row.mode) for row in rows} == {(0, "", 1_700_000_000, 0o644)}
    assert package.read_bytes()[257:265] == b"ustar\x0000"


def test_manifest(package: Path) -> None:
    """Every digest is right."""
    for line in package.with_suffix(".mf").read_text().splitlines():
        name, digest = line.removeprefix("SHA256(").split(")= ")
        assert hashlib.sha256((package.parent / name).read_bytes()).hexdigest() == digest


def test_signature(package: Path) -> None:
    """The manifest is signed with the key of the certificate beside it."""
    head, _, pem = package.with_suffix(".cert").read_text().partition("\n")
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()

    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(bytes.fromhex(head.partition(")= ")[2]), package.with_suffix(".mf").read_bytes(), padding.PKCS1v15(), hashes.SHA256())


def test_properties(envelope: ElementTree.Element) -> None:
    """Every row of the table, in order, below its heading; passwords are hidden; the menu of netmasks is there."""
    rows = table().properties
    found = list(envelope.iter(f"{OVF}Property"))

    assert [row.get(f"{OVF}key") for row in found] == [row.key for row in rows]
    assert {row.get(f"{OVF}key") for row in found if row.get(f"{OVF}password") == "true"} == {row.key for row in rows if row.secret}
    assert all(row.get(f"{OVF}userConfigurable") == "true" and row.findtext(f"{OVF}Label") for row in found)
    netmask = next(row for row in found if row.get(f"{OVF}key") == "guestinfo.bitfusion.host.net1.netmask")
    assert (netmask.get(f"{OVF}qualifiers") or "").startswith('ValueMap{"", "8 (255.0.0.0)"')
    assert [row.text for row in envelope.iter(f"{OVF}Category")] == [category.label for category in table().categories]


def test_schema(package: Path, repository: Path) -> None:
    """The descriptor is what its schema says; the schema notices elements out of order and values of the wrong type."""
    schema = etree.RelaxNG(etree.parse(repository / "ovf/appliance.rng"))
    text = package.with_suffix(".ovf").read_text()

    schema.assertValid(etree.fromstring(text.encode()))
    for right, wrong in (('ovf:type="uint16"', 'ovf:type="number"'), ("<Product>", "<Category/><Product>"), ("vmx-17", "17")):
        assert right in text
        assert not schema.validate(etree.fromstring(text.replace(right, wrong, 1).encode()))


def test_qualifiers(envelope: ElementTree.Element) -> None:
    """vCenter's form checks lengths and ranges, and offers the menu."""
    found = {row.get(f"{OVF}key"): row for row in envelope.iter(f"{OVF}Property")}

    mtu = found["guestinfo.bitfusion.host.net4.mtu"]
    assert (mtu.get(f"{OVF}type"), mtu.get(f"{OVF}value")) == ("uint16", "1500")
    assert mtu.get(f"{OVF}qualifiers") == "MinValue(576),MaxValue(9000)"
    assert found["guestinfo.bitfusion.host.hostname"].get(f"{OVF}qualifiers") == "MaxLen(63)"


def test_hardware(envelope: ElementTree.Element) -> None:
    """One vmxnet3 adapter, a paravirtual disk controller, EFI, both transports and a CD drive for one; no advanced setting vCenter would warn of."""
    kinds = [(row.findtext(f"{RASD}ResourceType"), row.findtext(f"{RASD}ResourceSubType")) for row in envelope.iter(f"{OVF}Item")]
    section = envelope.find(f".//{OVF}VirtualHardwareSection")

    assert kinds.count(("10", "VmxNet3")) == 1
    assert ("6", "VirtualSCSI") in kinds
    assert "15" in {kind for kind, _ in kinds}
    assert section is not None
    assert section.get(f"{OVF}transport") == "com.vmware.guestInfo iso"
    assert {row.get(f"{VMW}key"): row.get(f"{VMW}value") for row in section.iter(f"{VMW}Config")}["firmware"] == "efi"
    assert not list(envelope.iter(f"{VMW}ExtraConfig"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_vcenter_imports_it(package: Path, tmp_path: Path) -> None:
    """VMware's own client reads the form, and deploys it into the simulator with its hardware and what was filled in."""
    with vcsim.running() as simulator:
        govc = _Govc(simulator, tmp_path)
        spec = json.loads(govc("import.spec", package))
        assert [row["Key"] for row in spec["PropertyMapping"]] == [row.key for row in table().properties]
        spec["PropertyMapping"][0]["Value"] = "gpu-1"
        (tmp_path / "options.json").write_text(json.dumps({**spec, "Name": "imported", "PowerOn": False}))
        govc("import.ova", "-options", tmp_path / "options.json", "-pool", "/DC0/host/DC0_H0/Resources", package)
        config = govc("object.collect", "-json", "vm/imported", "config")
        devices = govc("device.ls", "-vm", "imported")
    assert {row.key for row in table().properties} <= set(re.findall(r"guestinfo\.bitfusion[a-z0-9._-]+", config))
    assert "gpu-1" in config
    assert "vmx-17" in config
    assert "pvscsi" in devices
    assert "VirtualVmxnet3" in devices


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_import_specification(package: Path) -> None:
    """As the "Add server" wizard does it, by the OVF manager: no error, no warning, the hardware, the network and every property arrive."""
    from pyVmomi import vim

    rows = table().properties
    with (
        vcsim.running() as simulator,
        vcenter._session(vcenter.Login(simulator.url, vcsim.USER, vcsim.PASSWORD, simulator.thumbprint)) as content,
    ):
        host = content.rootFolder.childEntity[0].hostFolder.childEntity[0]
        network = vim.OvfManager.NetworkMapping(name="Management and data", network=host.network[0])
        filled_in = [vim.KeyValue(key=row.key, value="gpu-1" if row.kind == "hostname" else row.default) for row in rows]
        wanted = vim.OvfManager.CreateImportSpecParams(entityName="imported", networkMapping=[network], propertyMapping=filled_in)
        made = content.ovfManager.CreateImportSpec(package.with_suffix(".ovf").read_text(), host.resourcePool, host.datastore[0], wanted)

    assert not made.error
    assert not made.warning
    config = made.importSpec.configSpec
    assert (config.version, config.numCPUs, config.memoryMB) == ("vmx-17", Hardware().cpus, Hardware().memory_mib)
    kinds = [type(change.device) for change in config.deviceChange]
    assert kinds.count(vim.vm.device.VirtualVmxnet3) == 1
    assert vim.vm.device.ParaVirtualSCSIController in kinds
    assert vim.vm.device.VirtualCdrom in kinds
    given = {change.info.id: change.info for change in config.vAppConfig.property}
    assert [given[name].id for name in (row.key for row in rows)] == [row.key for row in rows]
    assert given[HOST + "hostname"].value == "gpu-1"
    assert [file.path for file in made.fileItem] == ["small-disk1.vmdk"]


class _Govc:
    """VMware's command-line client."""

    def __init__(self, simulator: vcsim.Vcenter, home: Path) -> None:
        url = f"https://{vcsim.USER}:{vcsim.PASSWORD}@{simulator.url.removeprefix('https://')}/sdk"
        self._environment = {"GOVC_URL": url, "GOVC_INSECURE": "1", "GOVC_DATASTORE": "LocalDS_0", "HOME": str(home)}

    def __call__(self, *arguments: str | Path) -> str:
        """Its output."""
        return subprocess.run([fetch("govc"), *arguments], check=True, env=self._environment, stdout=subprocess.PIPE, text=True).stdout
