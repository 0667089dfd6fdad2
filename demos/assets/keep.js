// Keeps what the fields of one frame hold for as long as the browser's tab is open, once restore.js has read what they held.
(name, values) => {
  try {
    if (window.restoredFrames?.has(name)) sessionStorage.setItem(`llm-core-fields-${name}`, JSON.stringify(values));
  } catch {
    // no storage here, or too much for it
  }
  return [];
}
