/** The root: the log-in, or the page that the address names. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useDeferredValue, useEffect } from "react";
import { api, onLoggedOut } from "../api/client";
import { Failed, Loading, NotFound } from "../components/pageStates";
import { Toasts } from "../components/toasts";
import { type Route, useRoute } from "../lib/router";
import { watch } from "../live/alerts";
import { store, stream, useWaitingCalls } from "../live/index";
import { Login } from "../pages/Login";
import { resumePhone } from "../softphone/index";
import { t } from "../texts/index";
import { Shell } from "./Shell";

const Wallboard = lazy(() => import("../pages/wallboard/Wallboard"));
const CallPage = lazy(() => import("../pages/call/CallPage"));
const History = lazy(() => import("../pages/history/History"));
const NewCall = lazy(() => import("../pages/NewCall"));
const Softphone = lazy(() => import("../pages/softphone/Softphone"));
const Agents = lazy(() => import("../pages/Agents"));
const Health = lazy(() => import("../pages/Health"));

export function App() {
  const queries = useQueryClient();
  const session = useQuery({
    queryKey: ["session"],
    queryFn: () => api.session(),
    staleTime: Number.POSITIVE_INFINITY,
    refetchInterval: (query) => (query.state.status === "error" ? 3_000 : false),
    retry: false,
  });

  useEffect(
    () =>
      onLoggedOut(() => {
        if (queries.getQueryData(["session"]) === true) queries.setQueryData(["session"], false);
      }),
    [queries],
  );

  const loggedIn = session.data === true;
  // The first render is deferred, so React draws it in slices.
  const known = useDeferredValue(session.data);
  useEffect(() => {
    if (!loggedIn) return;
    stream.start();
    const unwatch = watch();
    resumePhone();
    return () => {
      unwatch();
      stream.stop();
      store.clear();
    };
  }, [loggedIn]);

  if (known === undefined) {
    return session.isError ? <Failed error={session.error} retry={session.refetch} /> : <Loading />;
  }
  if (!known) {
    return <Login onDone={() => queries.setQueryData(["session"], true)} />;
  }
  return (
    <Toasts>
      <Page />
    </Toasts>
  );
}

function Page() {
  const route = useRoute();
  const title = route.page === "unknown" ? t.product : t.pages[route.page];
  const waiting = useWaitingCalls().length;
  useEffect(() => {
    // Visible in the tab even where the page may neither make a sound nor notify.
    const count = waiting > 0 ? `(${waiting}) ` : "";
    document.title = `${count}${title} – ${t.product}`;
  }, [title, waiting]);
  return (
    <Shell page={route.page}>
      <Suspense fallback={<Loading />}>{pageOf(route)}</Suspense>
    </Shell>
  );
}

function pageOf(route: Route) {
  switch (route.page) {
    case "wallboard":
      return <Wallboard />;
    case "call":
      return <CallPage key={route.callSid} callSid={route.callSid} seq={route.seq} />;
    case "history":
      return <History />;
    case "new":
      return <NewCall />;
    case "softphone":
      return <Softphone />;
    case "agents":
      return <Agents />;
    case "health":
      return <Health />;
    case "unknown":
      return <NotFound />;
  }
}
