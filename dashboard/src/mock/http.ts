/** Answers of the stand-in server. */

export function answer(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status });
}

export function failure(status: number, code: string, message: string): Response {
  return answer({ error: { code, message } }, status);
}
