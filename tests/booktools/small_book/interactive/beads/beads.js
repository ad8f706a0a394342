"use strict";

document.getElementById("beads").textContent = "∘∘∘";
