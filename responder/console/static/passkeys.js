// Passkeys: registering one, signing in and approving with one. The server checks every answer.
"use strict";

(() => {
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const described = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  // Browsers before 2025 do not read or write the JSON forms themselves.
  const creation = (json) => PublicKeyCredential.parseCreationOptionsFromJSON?.(json) ?? {
    ...json, challenge: bytes(json.challenge), user: { ...json.user, id: bytes(json.user.id) },
    excludeCredentials: described(json.excludeCredentials),
  };
  const request = (json) => PublicKeyCredential.parseRequestOptionsFromJSON?.(json) ?? {
    ...json, challenge: bytes(json.challenge), allowCredentials: described(json.allowCredentials),
  };
  const plain = (credential) => {
    if (credential.toJSON) return credential.toJSON();
    const response = { clientDataJSON: text(credential.response.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[name]) response[name] = text(credential.response[name]);
    }
    const transports = credential.response.getTransports?.();
    if (transports) response.transports = transports;
    return {
      id: credential.id, rawId: text(credential.rawId), type: credential.type, response,
      clientExtensionResults: credential.getClientExtensionResults(),
    };
  };

  async function ask(path, csrf, body) {
    const answer = await fetch(path, {
      method: "POST", headers: { "content-type": "application/json", "X-CSRF-Token": csrf },
      body: JSON.stringify(body),
    });
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(found.detail || `the server answered ${answer.status}`);
    return found;
  }

  const why = (error) => (error.name === "NotAllowedError"
    ? "The passkey was not used: cancelled, or not in time. Nothing was recorded."
    : error.message);

  // -- approving, undoing, and whatever else is proved -------------------------------------------

  // The challenge is for exactly what the form says now: the fields that its data-fields names.
  async function prove(form) {
    if (!form.reportValidity() || form.dataset.sent) return;
    const said = form.querySelector("[data-passkey-said]");
    said.textContent = "Waiting for your passkey …";
    try {
      const names = (form.dataset.fields || "").split(" ").filter(Boolean);
      const body = Object.fromEntries(names.map((name) => [name, form.elements[name].value]));
      const options = await ask(form.dataset.challenge, form.elements["X-CSRF-Token"].value, body);
      const answer = plain(await navigator.credentials.get({ publicKey: request(options) }));
      form.elements.passkey.value = JSON.stringify(answer);
      form.elements.passkey.disabled = false;
      form.dataset.sent = "1";
      form.submit(); // not by its buttons: the answer is for what the form says, and for nothing else
    } catch (error) {
      said.textContent = why(error);
    }
  }

  // -- signing in -------------------------------------------------------------------------------

  async function login(form) {
    const said = form.querySelector("[data-passkey-said]");
    const { name, password, passkey } = form.elements;
    if (!name.reportValidity() || !password.reportValidity()) return;
    said.textContent = "Waiting for your passkey …";
    try {
      const options = await ask("/login/challenge", "", { name: name.value, password: password.value });
      passkey.value = JSON.stringify(plain(await navigator.credentials.get({ publicKey: request(options) })));
      passkey.disabled = false;
      form.submit();
    } catch (error) {
      said.textContent = why(error);
    }
  }

  // -- registering ------------------------------------------------------------------------------

  async function register(form) {
    const said = form.querySelector("[data-passkey-said]");
    said.textContent = "Waiting for your passkey …";
    try {
      const csrf = form.elements["X-CSRF-Token"].value;
      const proof = { code: form.elements.code.value.replace(/ /g, ""), ticket: form.elements.ticket.value.trim() };
      const options = await ask(form.dataset.begin, csrf, proof);
      const made = plain(await navigator.credentials.create({ publicKey: creation(options) }));
      await ask(form.dataset.end, csrf, { name: form.elements.name.value, credential: made });
      location.href = "/me?done=registered";
    } catch (error) {
      said.textContent = why(error);
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-passkey]");
    if (button) prove(button.form);
    const entry = event.target.closest("[data-login-passkey]");
    if (entry) login(entry.form);
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-begin]")) return;
    event.preventDefault();
    register(event.target);
  });

  const show = () => { for (const one of document.querySelectorAll("[data-passkey], [data-login-passkey], form[data-begin]")) one.hidden = false; };
  document.addEventListener("responder:swapped", show);
  show();
})();
