async def test_a_secret_is_created_described_and_read_by_name_or_arn(shared_account):
    created = await shared_account.ask("secretsmanager", "create_secret", Name="notes/url", SecretString="hunter2")
    assert created["ARN"].startswith("arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes/url-")
    for identity in ("notes/url", created["ARN"]):
        described = await shared_account.ask("secretsmanager", "describe_secret", SecretId=identity)
        read = await shared_account.ask("secretsmanager", "get_secret_value", SecretId=identity)
        assert (described["ARN"], described["Name"]) == (created["ARN"], "notes/url")
        assert read["SecretString"] == "hunter2"
        assert "hunter2" not in repr(described)


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
