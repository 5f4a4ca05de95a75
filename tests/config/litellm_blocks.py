"""The blocks of LiteLLM's page "Caching", byte for byte as they stand there, and what several tests take from them."""

from pathlib import Path

from askonce.config.identities import GcpIam

PAGE = Path(__file__).parent / "litellm_page"
FOUR = frozenset({"completion", "text_completion", "embedding", "transcription"})
ACCOUNT = GcpIam(service_account="projects/-/serviceAccounts/your-sa@project.iam.gserviceaccount.com")


def page(name: str) -> str:
    return (PAGE / name).read_text()
