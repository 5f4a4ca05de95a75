"""`python -m docs.generate`: writes the generated parts of the pages anew."""

from docs.generate.pages import FOLDER, PAGES, renewed


def main() -> None:
    for name, parts in PAGES.items():
        page = FOLDER / name
        page.write_text(renewed(page.read_text(encoding="utf-8"), parts), encoding="utf-8")


if __name__ == "__main__":
    main()
