"use strict";
const dialog = document.querySelector("dialog");
const stage = dialog.querySelector(".stage");
let group = [];
let at = 0;

function show(index) {
  at = (index + group.length) % group.length;
  stage.replaceChildren(group[at].querySelector(".frame").cloneNode(true));
  dialog.querySelector("#viewer-name").textContent = group[at].querySelector(".name").textContent;
  dialog.querySelector(".says").textContent = group[at].querySelector(".says").textContent;
  dialog.classList.toggle("has-heat", stage.querySelector(".heat") !== null);
}

function setHeat(on) {
  document.body.classList.toggle("heat-on", on);
  for (const button of document.querySelectorAll(".heat-toggle")) button.setAttribute("aria-pressed", String(on));
}

document.addEventListener("click", (event) => {
  const photo = event.target.closest("button.photo");
  const step = event.target.closest("[data-step]");
  if (photo) {
    group = [...photo.closest(".photos").querySelectorAll("button.photo")];
    show(group.indexOf(photo));
    dialog.showModal();
  } else if (step) show(at + Number(step.dataset.step));
  else if (event.target.closest(".heat-toggle")) setHeat(!document.body.classList.contains("heat-on"));
  else if (event.target.closest("[data-close]") || event.target === dialog) dialog.close();
});

dialog.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") show(at - 1);
  if (event.key === "ArrowRight") show(at + 1);
});

dialog.addEventListener("close", () => group[at].focus());
