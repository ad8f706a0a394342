/* Beads on a string,
   three of them. */
"use strict";

{
  // A block of its own
  const beads = "∘∘∘";
  document.getElementById("beads").textContent = beads;
}
