// Turn a paragraph of links to Opus files into one player whose version can be changed while it plays.
for (const paragraph of new Set([...document.querySelectorAll('a[href$=".opus"]')].map((link) => link.closest("p")))) {
    const links = [...paragraph.querySelectorAll('a[href$=".opus"]')];
    const sound = Object.assign(document.createElement("audio"), { controls: true, preload: "none" });
    const bar = Object.assign(document.createElement("div"), { className: "player" });
    const buttons = links.map((link) => {
        const button = Object.assign(document.createElement("button"), { type: "button", textContent: link.textContent });
        button.addEventListener("click", () => {
            const at = sound.ended ? 0 : sound.currentTime;
            choose(link, button);
            sound.currentTime = at;
            sound.play();
        });
        return button;
    });
    function choose(link, button) {
        sound.src = link.href;
        sound.setAttribute("aria-label", link.textContent);
        for (const other of buttons) other.setAttribute("aria-pressed", other === button);
    }
    choose(links[0], buttons[0]);
    sound.addEventListener("play", () => {
        for (const other of document.querySelectorAll("audio")) if (other !== sound) other.pause();
    });
    bar.append(...buttons, sound);
    paragraph.replaceWith(bar);
}
