"""`cache_params` of type s3. Knows boto3's names, and not boto3.

Source: LiteLLM's page on caching, part "Supported cache_params".
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from askonce.config.section import Section
from askonce.config.settings import S3Settings
from askonce.config.values import Wrong, base_url, flag, line, mapping, names, place, spelt

NAMES: Final = names("""
    s3_api_version s3_aws_access_key_id s3_aws_secret_access_key s3_aws_session_token s3_bucket_name s3_config
    s3_endpoint_url s3_path s3_region_name s3_use_ssl s3_verify
""")

_PAIR: Final = ("s3_aws_access_key_id", "s3_aws_secret_access_key")


def read_s3(params: Section, cwd: Path) -> S3Settings | None:
    """None without a bucket, which is noted as wrong. Keys that are empty or not set are boto3's to find."""
    bucket, bucket_key = params.get("s3_bucket_name", line), params.key("s3_bucket_name")
    if bucket is None and not params.notes.is_wrong(bucket_key):
        params.notes.wrong(bucket_key, "must name the bucket")
    lenient = replace(params, on_unset=params.notes.ignore)
    keys = {name: lenient.get(name, line) for name in (*_PAIR, "s3_aws_session_token")}
    for name, other in (_PAIR, _PAIR[::-1]):
        if keys[name] is None and keys[other] is not None and not params.notes.is_wrong(params.key(name)):
            params.notes.wrong(params.key(name), f"must be given together with {other}")
    verify = params.get("s3_verify", _verify)
    use_ssl = params.get("s3_use_ssl", flag)
    settings = S3Settings(
        bucket=bucket or "",
        path=(params.get("s3_path", line) or "").strip("/"),
        region=params.get("s3_region_name", line),
        api_version=params.get("s3_api_version", spelt),
        use_ssl=True if use_ssl is None else use_ssl,
        verify=str(place(verify, cwd, params.variables)) if isinstance(verify, str) else verify,
        endpoint_url=params.get("s3_endpoint_url", base_url),
        access_key_id=_secret(keys["s3_aws_access_key_id"]),
        secret_access_key=_secret(keys["s3_aws_secret_access_key"]),
        session_token=_secret(keys["s3_aws_session_token"]),
        config=params.get("s3_config", mapping) or {},
    )
    return None if bucket is None else settings


def _verify(value: Any) -> bool | str:
    """Whether to check the server's certificate, or the file of the authorities to check it with."""
    try:
        return flag(value)
    except Wrong:
        if isinstance(value, str):
            return line(value)
    raise Wrong("must be true, false, or the path of a CA file")


def _secret(value: str | None) -> SecretStr | None:
    return None if value is None else SecretStr(value)
