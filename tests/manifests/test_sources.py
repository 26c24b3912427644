import os
import stat
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from programs import kubectl_minor

from meshsim.manifests.inventory import sentences
from meshsim.manifests.located import documents
from meshsim.manifests.render import helm_command
from meshsim.manifests.revisions import files_of
from meshsim.manifests.sources import read_sources
from meshsim.model.errors import InputError


def service(name: str, namespace: str = "default") -> str:
    return f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n"


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(*wanted: str, **options: Any) -> list[str]:
    return [manifest.name for manifest in read_sources(list(wanted), **options)[0]]


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stands in for the user's programs: nothing else is on the path."""
    programs = tmp_path / ".bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))

    def install(name: str, script: str) -> None:
        path = programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IEXEC)

    return install


def test_a_directory_is_read_to_the_bottom_in_order_without_hidden_ones(inside: Path) -> None:
    write(
        inside, **{"m/b/2.yml": service("b"), "m/a.yaml": service("a"), "m/c.json": "{}", "m/.git/x.yaml": service("x")}
    )
    write(inside, **{"m/readme.md": "kind: none", "m/values.yaml": "replicas: 1"})
    manifests, inventory = read_sources(["m"])
    assert [manifest.name for manifest in manifests] == ["a", "b"]
    assert [(row.path, row.documents, row.kinds) for row in inventory.read] == [
        ("m/a.yaml", 1, (("Service", 1),)),
        ("m/b/2.yml", 1, (("Service", 1),)),
    ]
    assert {row.path: row.why for row in inventory.skipped} == {
        "m/c.json": "it has no apiVersion and kind",
        "m/values.yaml": "it has no apiVersion and kind",
    }


def test_a_file_named_explicitly_must_be_a_manifest(inside: Path) -> None:
    write(inside, **{"values.yaml": "replicas: 1"})
    with pytest.raises(InputError, match=r"values\.yaml:1: this object has no apiVersion"):
        read_sources(["values.yaml"])


def test_a_broken_manifest_in_a_directory_is_an_error_not_a_stray_file(inside: Path) -> None:
    write(inside, **{"m/a.yaml": service("a"), "m/b.yaml": "kind: Service\nmetadata: {name: b}\n"})
    with pytest.raises(InputError, match=r"m/b\.yaml:1: this object has no apiVersion"):
        read_sources(["m"])


def test_globs_match_across_directories(inside: Path) -> None:
    write(inside, **{"m/x/a.yaml": service("a"), "m/y/b.yaml": service("b"), "m/y/c.txt": "x"})
    assert names("m/**/*.yaml") == ["a", "b"]
    assert names("m/*") == ["a", "b"]


def test_a_file_reached_twice_is_read_once(inside: Path) -> None:
    write(inside, **{"m/a.yaml": service("a")})
    assert names("m", "m/a.yaml", "m/*.yaml") == ["a"]


def test_a_directory_reached_twice_is_read_once(inside: Path) -> None:
    write(inside, **{"m/a.yaml": service("a")})
    assert names("m", "m") == ["a"]


def test_the_same_object_in_two_files_is_an_error_with_both_places(inside: Path) -> None:
    write(inside, **{"a.yaml": service("s"), "b.yaml": service("s")})
    with pytest.raises(InputError) as raised:
        read_sources(["a.yaml", "b.yaml"])
    assert str(raised.value).startswith("b.yaml:1: Service/default/s is given twice in this cluster, first at a.yaml:1")


def test_standard_input_is_a_source() -> None:
    assert names("-", stdin=lambda: service("piped").encode()) == ["piped"]


def test_empty_standard_input_is_an_error_since_the_pipe_may_have_broken() -> None:
    with pytest.raises(InputError, match="standard input: holds no Kubernetes object"):
        names("-", stdin=lambda: b"")


def test_inline_objects_keep_the_places_of_their_file() -> None:
    [document] = documents("manifests:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: a}\n", "scenario.yaml")
    [manifest] = read_sources([document.child("manifests", 0)])[0]
    assert str(manifest.evidence("metadata", "name")) == "scenario.yaml:4"


def test_paths_resolve_against_the_base(inside: Path) -> None:
    write(inside, **{"s/m/a.yaml": service("a")})
    [manifest] = read_sources(["m"], base="s")[0]
    assert str(manifest.evidence()) == "s/m/a.yaml:1"


def test_link_loops_end(inside: Path) -> None:
    write(inside, **{"m/a.yaml": service("a")})
    (inside / "m" / "again").symlink_to(inside / "m")
    manifests, inventory = read_sources(["m"])
    assert len(manifests) == 1
    assert inventory.skipped[0].why == "it is a link to a directory that was read already"
    (inside / "m" / "self.yaml").symlink_to(inside / "m" / "self.yaml")
    with pytest.raises(InputError, match=r"m/self\.yaml: cannot be read"):
        read_sources(["m"])


def test_a_pipe_without_a_writer_ends_and_one_with_a_writer_is_read_to_its_end(inside: Path) -> None:
    os.mkfifo(inside / "nobody.yaml")
    with pytest.raises(InputError, match=r"nobody\.yaml: holds no Kubernetes object"):
        read_sources(["nobody.yaml"])
    reader, writer = os.pipe()
    later = threading.Timer(0.05, lambda: (os.write(writer, service("a").encode()), os.close(writer)))
    later.start()
    assert len(read_sources([f"/dev/fd/{reader}"])[0]) == 1
    later.join()
    os.close(reader)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_an_input_error(inside: Path) -> None:
    write(inside, **{"a.yaml": service("a")})
    (inside / "a.yaml").chmod(0)
    with pytest.raises(InputError, match=r"a\.yaml: cannot be read"):
        read_sources(["a.yaml"])


def test_an_empty_directory_is_an_error(inside: Path) -> None:
    (inside / "m").mkdir()
    with pytest.raises(InputError, match="m: holds no manifests"):
        read_sources(["m"])


def test_a_kustomize_directory_is_rendered_by_the_users_kubectl(inside: Path, program: Any) -> None:
    write(inside, **{"app/kustomization.yaml": "resources: [a.yaml]", "app/a.yaml": service("raw")})
    program("kubectl", 'echo "# $*"; /bin/cat <<END\n' + service("rendered") + "END")
    [manifest] = read_sources(["app"])[0]
    assert manifest.name == "rendered"
    assert str(manifest.evidence()) == "kustomize build app:2"


@pytest.mark.skipif(kubectl_minor() < 21, reason="needs kubectl 1.21, whose kustomize takes directories as resources")
def test_a_real_overlay_is_rendered(inside: Path) -> None:
    write(
        inside,
        **{
            "base/kustomization.yaml": "resources: [a.yaml]",
            "base/a.yaml": service("a"),
            "prod/kustomization.yaml": "resources: [../base]\nnamespace: prod\nnamePrefix: the-\n",
        },
    )
    [manifest] = read_sources(["prod"])[0]
    assert str(manifest.key) == "Service/prod/the-a"


def test_kustomize_itself_will_do(inside: Path, program: Any) -> None:
    write(inside, **{"app/kustomization.yaml": "resources: [a.yaml]"})
    program("kustomize", "/bin/cat <<END\n" + service("rendered") + "END")
    assert names("app") == ["rendered"]


def test_without_either_program_the_error_names_them(inside: Path, program: Any) -> None:
    write(inside, **{"app/kustomization.yaml": "resources: []"})
    with pytest.raises(InputError, match="neither kubectl nor kustomize is installed"):
        read_sources(["app"])


def test_a_failing_render_shows_what_the_program_said(inside: Path, program: Any) -> None:
    write(inside, **{"app/kustomization.yaml": "resources: [gone.yaml]"})
    program("kubectl", "echo 'gone.yaml: no such file' >&2; exit 1")
    with pytest.raises(InputError, match=r"app: `kubectl kustomize app` failed: gone\.yaml: no such file"):
        read_sources(["app"])


def test_bases_and_resources_of_overlays_below_a_directory_are_not_read_twice(inside: Path, program: Any) -> None:
    write(
        inside,
        **{
            "repo/plain.yaml": service("plain"),
            "repo/shared.yaml": service("shared"),
            "repo/base/kustomization.yaml": "resources: [a.yaml]",
            "repo/base/a.yaml": service("a"),
            "repo/prod/kustomization.yaml": "resources: [../base, ../shared.yaml]\npatches: [{path: patch.yaml}]",
            "repo/prod/patch.yaml": service("a"),
        },
    )
    program("kubectl", "/bin/cat <<END\n" + service("rendered") + "END")
    manifests, inventory = read_sources(["repo"])
    assert [manifest.name for manifest in manifests] == ["plain", "rendered"]
    assert {row.path: row.why for row in inventory.skipped} == {
        "repo/shared.yaml": "it is a resource of repo/prod",
        "repo/base": "it is a base of repo/prod",
    }


def test_a_chart_is_refused_with_the_command_to_pipe(inside: Path) -> None:
    write(inside, **{"charts/app/Chart.yaml": "name: app", "charts/app/templates/a.yaml": "name: {{ .Values.a }}"})
    with pytest.raises(InputError, match=r"helm template app charts/app \| meshsim run --cluster NAME=-"):
        read_sources(["charts"])


def test_a_chart_is_rendered_where_the_scenario_says_so(inside: Path, program: Any) -> None:
    write(inside, **{"app/Chart.yaml": "name: app", "prod.yaml": ""})
    program("helm", "/bin/cat <<END\n# $*\napiVersion: v1\nkind: Service\nmetadata: {name: charted}\nEND")
    [document] = documents("{helm: app, values: [prod.yaml], namespace: shop}", "scenario.yaml")
    [manifest] = read_sources([document])[0]
    assert (manifest.namespace, manifest.name) == ("shop", "charted")
    assert str(manifest.evidence()) == "helm template app app --values prod.yaml --namespace shop:2"
    assert helm_command("a b", ["c"]) == ["helm", "template", "a b", "a b", "--values", "c"]


def test_a_missing_helm_is_named(inside: Path, program: Any) -> None:
    write(inside, **{"app/Chart.yaml": "name: app"})
    [document] = documents("{helm: app}", "scenario.yaml")
    with pytest.raises(InputError, match=r"scenario\.yaml:1: this needs helm, which is not installed"):
        read_sources([document])


def test_the_inventory_says_what_matters_and_is_not_modelled(inside: Path) -> None:
    write(
        inside,
        **{
            "m/a.yaml": service("a"),
            "m/b.yaml": "{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: f}}",
            "m/c.yaml": "{apiVersion: v1, kind: ServiceAccount, metadata: {name: s}}",
            "m/d.yaml": "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}}",
            "m/scenario.yaml": "{apiVersion: meshsim/v1, kind: Scenario, clusters: {}}",
        },
    )
    _, inventory = read_sources(["m"])
    assert [manifest.kind for manifest in inventory.relevant] == ["EnvoyFilter"]
    assert [manifest.kind for manifest in inventory.irrelevant] == ["ServiceAccount"]
    assert [manifest.kind for manifest in inventory.unknown] == ["Widget.example.com"]
    assert sentences("east", inventory) == (
        "east: m/scenario.yaml was not read: it is a meshsim scenario",
        "east: EnvoyFilter/default/f is not modelled: it may change any proxy's configuration (m/b.yaml:1)",
        "east: 1 of the unknown kind Widget.example.com",
    )


def test_a_revisions_links_stay_inside(inside: Path) -> None:
    """A link that leads out is left out; the rest of the revision is there (Debian's Python 3.11.2 has no filters)."""
    write(inside, **{"m/a.yaml": service("a")})
    (inside / "m" / "same.yaml").symlink_to("a.yaml")
    (inside / "m" / "out.yaml").symlink_to("/etc/hostname")
    own = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for words in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-q", "-m", "one")):
        subprocess.run(["git", *words], check=True, env=own)
    with files_of("HEAD") as directory:
        assert sorted(os.listdir(os.path.join(directory, "m"))) == ["a.yaml", "same.yaml"]
        assert Path(directory, "m", "same.yaml").read_text() == service("a")
