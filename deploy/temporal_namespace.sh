#!/bin/sh
# The namespace, closed workflows kept for 90 days, and the attributes that incidents are found by.
set -eu
namespace=responder
until temporal operator cluster health >/dev/null 2>&1; do sleep 1; done
temporal operator namespace describe -n "$namespace" >/dev/null 2>&1 ||
    temporal operator namespace create -n "$namespace" --retention 90d
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    temporal operator search-attribute list -n "$namespace" >/dev/null 2>&1 && break
    sleep 2
done
known=$(temporal operator search-attribute list -n "$namespace")
attribute() {
    case "$known" in
        *"$1"*) ;;
        *) temporal operator search-attribute create -n "$namespace" --name "$1" --type "$2" ;;
    esac
}
attribute IncidentPriority Keyword
attribute IncidentCategory Keyword
attribute IncidentStatus Keyword
attribute IncidentSubject Keyword
attribute SlaDue Datetime
attribute SlaBreached Bool
attribute WaitingFor Keyword
