"""deploy/ for Kubernetes: the file against the schema, and what the pod may do."""

import pytest
from deployment import cron_job, pod, unit_setting

FOR_A_PERSON = {2, 3, 5}  # options or input, rejects, drift: trying again changes nothing


def test_what_needs_a_person_is_tried_again_by_no_scheduler():
    assert {int(code) for code in unit_setting("pawscore.service", "RestartPreventExitStatus").split()} == FOR_A_PERSON
    job = cron_job()[0]["spec"]["jobTemplate"]["spec"]
    (rule,) = [rule for rule in job["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
    assert set(rule["onExitCodes"]["values"]) == FOR_A_PERSON
    assert rule["onExitCodes"]["operator"] == "In"
    assert rule["onExitCodes"]["containerName"] == pod()["containers"][0]["name"]


@pytest.mark.slow
def test_the_kubernetes_file_keeps_to_the_schema():
    validation = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed (extra deploy)"
    )
    documents = cron_job()
    assert [document["kind"] for document in documents] == ["CronJob", "PersistentVolumeClaim", "NetworkPolicy"]
    for version in ("1.31", "1.34", validation.latest_version()):
        for document in documents:
            validation.validate(document, version, strict=True)


@pytest.mark.slow
def test_the_schema_finds_a_misspelt_field():
    validation = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed (extra deploy)"
    )
    job = cron_job()[0]
    job["spec"]["concurencyPolicy"] = job["spec"].pop("concurrencyPolicy")
    with pytest.raises(validation.ValidationError, match="concurencyPolicy"):
        validation.validate(job, validation.latest_version(), strict=True)


def test_the_pod_can_change_nothing_but_scores_ledger_and_a_temporary_folder():
    (container,) = pod()["containers"]
    security = container["securityContext"]
    assert pod()["securityContext"]["runAsNonRoot"] and security["readOnlyRootFilesystem"]
    assert security["capabilities"] == {"drop": ["ALL"]} and not security["allowPrivilegeEscalation"]
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/scores", "/state", "/tmp"}
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod()["volumes"]}
    assert cron_job()[0]["spec"]["concurrencyPolicy"] == "Forbid"
    assert pod()["restartPolicy"] == "Never"  # podFailurePolicy is refused with any other
