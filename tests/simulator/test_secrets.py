async def test_a_secret_is_created_described_and_read_by_name_or_arn(shared_account):
    created = await shared_account.ask("secretsmanager", "create_secret", Name="notes/url", SecretString="hunter2")
    assert created["ARN"].startswith("arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes/url-")
    partial = created["ARN"][: -len("-AbCdEf")]  # AWS appends six letters to the name, and finds an ARN without them
    for identity in ("notes/url", created["ARN"], partial):
        described = await shared_account.ask("secretsmanager", "describe_secret", SecretId=identity)
        read = await shared_account.ask("secretsmanager", "get_secret_value", SecretId=identity)
        assert (described["ARN"], described["Name"]) == (created["ARN"], "notes/url")
        assert read["SecretString"] == "hunter2"
        assert "hunter2" not in repr(described)
    assert shared_account.cloud.references.value(partial) == "hunter2"
    assert (await shared_account.refusal("secretsmanager", "get_secret_value", SecretId=partial[:-1]))[0] == (
        "ResourceNotFoundException"
    )


async def test_a_name_is_given_once(shared_account):
    await shared_account.ask("secretsmanager", "create_secret", Name="notes/once", SecretString="1")
    code, message = await shared_account.refusal(
        "secretsmanager", "create_secret", Name="notes/once", SecretString="hunter2"
    )
    assert code == "ResourceExistsException"
    assert "hunter2" not in message


async def test_a_secret_that_is_not_there_is_not_found(shared_account):
    for operation in ("describe_secret", "get_secret_value"):
        code, _ = await shared_account.refusal("secretsmanager", operation, SecretId="absent")
        assert code == "ResourceNotFoundException"


async def test_a_value_is_put_anew_and_is_another_version(shared_account):
    created = await shared_account.ask("secretsmanager", "create_secret", Name="notes/rotated", SecretString="1")
    put = await shared_account.ask("secretsmanager", "put_secret_value", SecretId=created["ARN"], SecretString="2")
    read = await shared_account.ask("secretsmanager", "get_secret_value", SecretId="notes/rotated")
    assert (read["SecretString"], read["VersionId"]) == ("2", put["VersionId"])
    assert put["VersionId"] != created["VersionId"]
    previous = {"SecretId": "notes/rotated", "VersionStage": "AWSPREVIOUS"}
    assert (await shared_account.ask("secretsmanager", "get_secret_value", **previous))["SecretString"] == "1"
    absent = {"SecretId": "notes/rotated", "VersionId": "0" * 32}
    refused = await shared_account.refusal("secretsmanager", "get_secret_value", **absent)
    assert refused[0] == "ResourceNotFoundException"
    references = shared_account.cloud.references
    for end, value in (("", "2"), (f":::{created['VersionId']}", "1"), ("::AWSPREVIOUS:", "1"), ("::NONE:", None)):
        assert references.value(f"{created['ARN']}{end}") == value


async def test_the_same_token_puts_one_version(shared_account):
    await shared_account.ask("secretsmanager", "create_secret", Name="notes/token", SecretString="1")
    again = {"SecretId": "notes/token", "SecretString": "2", "ClientRequestToken": "t" * 32}
    for _ in range(2):
        await shared_account.ask("secretsmanager", "put_secret_value", **again)
    other = again | {"SecretString": "3"}
    assert (await shared_account.refusal("secretsmanager", "put_secret_value", **other))[0] == "ResourceExistsException"


async def test_what_is_scheduled_for_deletion_is_described_and_not_read_until_it_is_restored(shared_account):
    ask, refusal = shared_account.ask, shared_account.refusal
    arn = (await ask("secretsmanager", "create_secret", Name="notes/going", SecretString="hunter2"))["ARN"]
    await ask("secretsmanager", "delete_secret", SecretId=arn, RecoveryWindowInDays=7)
    left = (await ask("secretsmanager", "describe_secret", SecretId=arn))["DeletedDate"]
    assert 6 < (left - shared_account.cloud.clock.now()).total_seconds() / 86400 <= 7
    code, message = await refusal("secretsmanager", "get_secret_value", SecretId=arn)
    assert (code, "marked for deletion" in message) == ("InvalidRequestException", True)
    assert shared_account.cloud.references.value(arn) is None
    code, _ = await refusal("secretsmanager", "create_secret", Name="notes/going", SecretString="1")
    assert code == "InvalidRequestException"
    names = {found["Name"] for found in (await ask("secretsmanager", "list_secrets"))["SecretList"]}
    assert "notes/going" not in names
    await ask("secretsmanager", "restore_secret", SecretId=arn)
    assert shared_account.cloud.references.value(arn) == "hunter2"


async def test_what_is_deleted_by_force_is_gone_and_its_name_free(shared_account):
    arn = (await shared_account.ask("secretsmanager", "create_secret", Name="notes/gone", SecretString="1"))["ARN"]
    await shared_account.ask("secretsmanager", "delete_secret", SecretId=arn, ForceDeleteWithoutRecovery=True)
    assert (await shared_account.refusal("secretsmanager", "describe_secret", SecretId=arn))[0] == (
        "ResourceNotFoundException"
    )
    await shared_account.ask("secretsmanager", "create_secret", Name="notes/gone", SecretString="1")
