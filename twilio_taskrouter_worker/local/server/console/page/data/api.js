/** Requests to the console's server: queries, and actions that the page's user takes. */

/** An answer that is not a success; the message is for people. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {number} status  0 without an answer
   */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export class Api {
  /** @param {string} base  the address of the console, with a slash at its end */
  constructor(base) {
    this.base = base;
    /** The workspace of {@link rest}. */
    this.workspaceSid = "";
  }

  /**
   * Asks the console's own server.
   *
   * @param {string} path  below `api/`
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  get(path, signal) {
    return this.#send(`api/${path}`, { signal });
  }

  /**
   * @param {string} path  below `api/`
   * @param {object} body
   * @returns {Promise<any>}
   */
  post(path, body) {
    return this.#send(`api/${path}`, json("POST", body));
  }

  /**
   * @param {string} path  below `api/`
   * @returns {Promise<any>}
   */
  remove(path) {
    return this.#send(`api/${path}`, json("DELETE", {}));
  }

  /**
   * Calls the REST API, as every program does.
   *
   * @param {string} path  below the workspace, such as `Tasks`
   * @param {{[parameter: string]: string}} parameters
   * @param {string} [worker]  sid of the worker that is played
   * @returns {Promise<any>}
   */
  rest(path, parameters, worker) {
    return this.#send(`rest/v1/Workspaces/${this.workspaceSid}/${path}`, {
      method: "POST",
      headers: worker ? { "X-Console-Worker": worker } : {},
      body: new URLSearchParams(parameters),
    });
  }

  /**
   * Calls the control address.
   *
   * @param {"GET" | "POST" | "DELETE"} method
   * @param {string} path  such as `clock/pause`
   * @param {object} [body]
   * @returns {Promise<any>}
   */
  control(method, path, body) {
    return this.#send(`control/v1/${path}`, method === "GET" ? {} : json(method, body || {}));
  }

  /**
   * @param {string} path
   * @param {RequestInit} options
   */
  async #send(path, options) {
    let response;
    try {
      response = await fetch(this.base + path, { ...options, credentials: "same-origin" });
    } catch (error) {
      // The view that asked has gone: nobody waits for a message.
      if (options.signal?.aborted) throw error;
      throw new ApiError("The service does not answer. The console reconnects as soon as it is back.", 0);
    }
    // As text first: an answer may be empty (204), or come from a proxy in between that does not speak JSON.
    const text = await response.text();
    const answer = text ? parse(text) : null;
    if (response.ok) return answer;
    throw new ApiError(answer?.message || `The service answered with status ${response.status}.`, response.status);
  }
}

/**
 * @param {string} method
 * @param {object} body
 * @returns {RequestInit}
 */
function json(method, body) {
  return { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text.slice(0, 300) };
  }
}
