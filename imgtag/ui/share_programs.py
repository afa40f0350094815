"""How other programs ask the model: the lines to copy."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import streamlit as st

from imgtag.data.projects import Project
from imgtag.training.runs import Run


def program_area(project: Project, run: Run) -> None:
    """One line for a terminal and a few of Python, for this project and training."""
    address = classify_address(st.context.url or "http://127.0.0.1:8501", project, run)
    st.markdown(
        "While the app is running, programs on this computer can send it pictures and get the classes back as JSON. "
        "Nothing is stored. The address names this training; without “?run=…” the newest one answers."
    )
    with st.container(border=True):
        st.subheader("In a terminal", anchor=False)
        st.code(curl_line(address), language="bash", wrap_lines=True)
    with st.container(border=True):
        st.subheader("In Python", anchor=False)
        st.code(python_lines(address), language="python", wrap_lines=True)
    here = urlsplit(address)
    docs = f"{here.scheme}://{here.netloc}/api/docs"
    st.link_button("All requests and answers (OpenAPI)", docs, icon=":material/api:")


def classify_address(page: str, project: Project, run: Run) -> str:
    """Where to send pictures. page: the address of the screen."""
    here = urlsplit(page)
    path = f"/api/projects/{quote(project.name, safe='')}/classify"
    return f"{here.scheme}://{here.netloc}{path}?run={quote(run.id, safe='')}"


def curl_line(address: str) -> str:
    """One line for a terminal."""
    return f'curl -F image=@photo.jpg "{address}"'


def python_lines(address: str) -> str:
    """A few lines of Python, with the package requests."""
    return (
        "import requests  # pip install requests\n\n"
        f'address = "{address}"\n'
        'with open("photo.jpg", "rb") as photo:\n'
        '    answers = requests.post(address, files={"image": photo}).json()\n'
        "for answer in answers:\n"
        '    if answer["error"]:\n'
        '        print(answer["file"], answer["error"])\n'
        "        continue\n"
        '    best = answer["tags"][0]\n'
        '    print(answer["file"], best["class"], f\'{best["probability"]:.1%}\', answer["unknown"])'
    )
