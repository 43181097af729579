/** What the server says of itself, asked for by several pages. */
import { useQuery } from "@tanstack/react-query";
import { api } from "../api/client";

/** Every look of the doctor's goes out to the carrier and the model: not more often than this. */
const DOCTOR_MS = 10 * 60_000;

export function useDoctor() {
  return useQuery({
    queryKey: ["doctor"],
    queryFn: ({ signal }) => api.doctor(signal),
    staleTime: DOCTOR_MS,
    retry: false,
  });
}

/** Whether the server takes calls, and why not. */
export function useReady(everyMs: number) {
  return useQuery({
    queryKey: ["ready"],
    queryFn: ({ signal }) => api.ready(signal),
    refetchInterval: everyMs,
    retry: false,
  });
}
