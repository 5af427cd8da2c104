"use strict";
// the denoising trajectory, step by step
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const get = (id) => document.getElementById(id);
  const slider = get("frame");
  if (!data.trajectory || !slider) return;
  const { frames, control } = data.trajectory;
  const final = frames[frames.length - 1][2];
  slider.max = frames.length - 1;
  let timer = null;
  const show = () => {
    const [t, std, words] = frames[Number(slider.value)];
    get("step").textContent = t < 0 ? `text · ${control}` : `step ${t + 1} · noise ${std.toFixed(2)}`;
    get("words").replaceChildren(...words.map((word, i) =>
      element("span", word === final[i] ? { class: "settled" } : {}, word === "\n" ? "⏎" : word)));
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    get("play").textContent = "Play";
    get("play").setAttribute("aria-pressed", "false");
  };
  get("play").addEventListener("click", () => {
    if (timer !== null) return stop();
    if (slider.value === slider.max) slider.value = 0;
    get("play").textContent = "Pause";
    get("play").setAttribute("aria-pressed", "true");
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      show();
      if (slider.value === slider.max) stop();
    }, 130);
    show();
  });
  slider.addEventListener("input", () => { stop(); show(); });
  slider.value = Math.round(frames.length * 0.55);
  show();
})();
