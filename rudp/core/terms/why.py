"""Why a segment was sent, octets were called lost, or a state was left: the reasons, in a list.

Each is a sentence and the section that asks for it.  The core names the reason at the place where
it decides, so nobody has to guess it from headers afterwards.  Nothing is decided by these codes.
"""

import enum


class Why(enum.Enum):
    """A reason; ``sentence`` says it in words, ``section`` is where a standard says so.

    ``number``: its place in the list, from 0.
    """

    # What leaves with octets of its own.
    SYN_OPEN = "The user opened a connection.", "RFC 9293 §3.10.1"
    SYN_ANSWERED = "A SYN came and is acknowledged by a SYN of our own.", "RFC 9293 §3.10.7.2"
    SYN_WITH_DATA = "A cookie of the last visit lets data go with the SYN.", "RFC 7413 §4.2.1"
    SYN_COOKIE = "Many opens are under way: this is remembered nowhere.", "RFC 4987 §3.6"
    NEW_DATA = "Octets wait, and both windows have room for them.", "RFC 9293 §3.10.2"
    FIN_CLOSE = "The user closed, and everything before is sent.", "RFC 9293 §3.10.4"
    PROBE_ZERO_WINDOW = "The peer's window is shut: one octet asks for news.", "RFC 9293 §3.8.6.1"
    SWS_OVERRIDE = "A small segment has waited long enough for more.", "RFC 9293 §3.8.6.2.1"
    PROBE_TAIL = "Two round trips of silence: new data asks for news.", "RFC 8985 §7.3"
    PROBE_FRTO = "New data shows whether the time-out was for nothing.", "RFC 5682 §2.1"
    PROBE_PATH_MTU = "A larger segment tries whether the path carries it.", "RFC 8899 §5.3"

    # What leaves again, and why it was called lost.
    RETRANSMIT_RTO = "No acknowledgement came before the time-out.", "RFC 6298 §5"
    RETRANSMIT_RACK = "Something sent later has arrived, and this is overdue.", "RFC 8985 §6.2"
    RETRANSMIT_REORDERING = "It might have been late, and did not come.", "RFC 8985 §6.2"
    RETRANSMIT_SACK = "Three segments above it are acknowledged.", "RFC 6675 §4"
    RETRANSMIT_DUPACK = "Three duplicate acknowledgements ask for it.", "RFC 5681 §3.2"
    RETRANSMIT_PARTIAL_ACK = "A partial acknowledgement names the next hole.", "RFC 6582 §3.2"
    RETRANSMIT_TLP = "Two round trips of silence: the last segment again.", "RFC 8985 §7.3"
    RETRANSMIT_WINDOW_OPENED = (
        "It was sent into a shut window, which is open now.",
        "RFC 9293 §3.8.6.1",
    )
    RETRANSMIT_CUT = "Something on the way has cut it off its datagram.", "RFC 9293 §3.10.7.4"
    RETRANSMIT_REFUSED = "The system did not send it.", "RFC 9293 §3.9.2.3"
    RETRANSMIT_PATH = "It was sent on a path that was left.", "RFC 9000 §9.4"
    RETRANSMIT_SYN = "The peer repeats its SYN, so it lacks ours.", "RFC 9293 §3.10.7.4"
    RETRANSMIT_WITHOUT_ECN = "Refused: the next SYN asks without offering ECN.", "RFC 3168 §6.1.1.1"

    RETRANSMIT_SYN_DOUBT = (
        "The SYN that crossed ours was reset: was it the peer's at all?",
        "RFC 9293 §3.10.7.3",
    )
    RETRANSMIT_SYN_CHALLENGED = (
        "The peer knew of an older connection: the RST before this has ended it.",
        "RFC 9293 §3.5.1",
    )

    # What leaves to acknowledge and nothing else.
    ACK_OF_SYN = "The peer's SYN,ACK is acknowledged.", "RFC 9293 §3.10.7.3"
    ACK_OF_SYN_AGAIN = (
        "Neither side has said anything: is our ACK of the SYN,ACK lost?",
        "RFC 9002 §6.2.2.1",
    )
    ACK_EVERY_SECOND = "Two full segments have come since the last ACK.", "RFC 5681 §4.2"
    ACK_QUICK = "The peer is in slow start and needs every ACK.", "RFC 5681 §4.2"
    ACK_DELAYED = "Nothing came to acknowledge along with it.", "RFC 9293 §3.8.6.3"
    ACK_OUT_OF_ORDER = "Something is missing before what came.", "RFC 5681 §4.2"
    ACK_GAP_FILLED = "What was missing has come, all or in part.", "RFC 5681 §4.2"
    ACK_DUPLICATE = "The octets were here already: our ACK may be lost.", "RFC 9293 §3.10.7.4"
    ACK_UNACCEPTABLE = "The segment does not fit: this says what would.", "RFC 9293 §3.10.7.4"
    ACK_WINDOW_SHUT = "Data came and there is no room for it.", "RFC 9293 §3.10.7.4"
    ACK_ECN_ECHO = "ECE, the answer to a router's mark, begins or ends.", "RFC 3168 §6.1.3"
    ACK_MARKS = "Routers have marked what came: the sender is to hear of it.", "RFC 9768 §3.2.2.5.1"
    WINDOW_UPDATE = "The reader made room worth telling of.", "RFC 9293 §3.8.6.2.2"
    KEEP_ALIVE = "It has been quiet for long: is the peer still there?", "RFC 9293 §3.8.4"
    PATH_TOKEN = "We may have another address: this is the connection.", "RFC 9000 §9.2"
    PATH_CHALLENGE = "You seem to be here now: then say this number.", "RFC 9000 §8.2.1"
    PATH_RESPONSE = "We are here: this is the number.", "RFC 9000 §8.2.2"
    ACK_PATH = "The peer is proved to be elsewhere, and hears it first.", "RFC 9000 §9.3"
    CHALLENGE_ACK = "Is that really from you? Then answer to this.", "RFC 5961 §3.2, §4.2"
    FIN_RECEIVED = "The peer's FIN, and all before it, has come.", "RFC 9293 §3.10.7.4"
    TIME_WAIT_ACK = "The peer repeats its FIN: our last ACK was lost.", "RFC 9293 §3.10.7.4"

    # What leaves to end it.
    RST_NO_CONNECTION = "There is no such connection.", "RFC 9293 §3.10.7.1"
    RST_ACK_UNACCEPTABLE = "It acknowledges what was never sent.", "RFC 9293 §3.5.2"
    RST_ABORT = "The user aborted.", "RFC 9293 §3.10.5"
    RST_PROGRAM_ENDS = "The program ends, and the user has not closed.", "RFC 9293 §3.10.5"
    RST_DATA_UNREAD = "The user closed, and octets are left unread.", "RFC 9293 §3.6.1"
    RST_NOBODY_READS = "Data came after the user had closed.", "RFC 9293 §3.6.1"
    RST_USER_TIMEOUT = "There was no progress for the user timeout.", "RFC 9293 §3.8.3"
    RST_IDLE = "Nothing came or was acknowledged for the idle limit.", "RFC 9293 §3.10.5"
    RST_ECN_TWICE = "The peer asked for two kinds of ECN in one handshake.", "RFC 9768 §3.1.5"
    RST_KEEP_ALIVE = "No keep-alive probe was answered.", "RFC 9293 §3.8.4"

    # Why a state was left, where it is none of the above.
    OPEN_PASSIVE = "The user listens.", "RFC 9293 §3.10.1"
    SYN_ACKED = "The peer has acknowledged our SYN.", "RFC 9293 §3.10.7.4"
    FIN_ACKED = "The peer has acknowledged our FIN.", "RFC 9293 §3.10.7.4"
    TIME_WAIT_2MSL = "No segment of the connection can be left anywhere.", "RFC 9293 §3.4.2"
    DELETED = "The connection is given up.", "RFC 9293 §3.10.7.4"

    # Why a path was left, or tried: two ends that move, two that punch.
    PATH_PROVED = "The peer has answered from there: that is where it is.", "RFC 9000 §9.3"
    PATH_REBOUND = "We have another socket, and go on from there.", "RFC 9000 §9.2"
    PAIR_TRIED = "Both speak first, which a NAT takes for an answer.", "RFC 8445 §6.1.4.2"
    PAIR_RELAYED = "Other ways have had their time, or there are none.", "RFC 8445 §5.1.2.2"
    PAIR_FAILED = "No connection came about there, or it did not last.", "RFC 8445 §7.2.5.2"
    PAIR_WON = "The first on which both have proved to be who is meant.", "RFC 8445 §8.1.1"
    PAIR_ABORTED = "Another one was taken, and one is enough.", "RFC 8445 §8.3"

    # For what was not recorded but seen from outside.
    UNKNOWN = "Seen from outside, it does not say why it was sent.", "RFC 9293 §3.1"

    def __init__(self, sentence: str, section: str) -> None:
        self.sentence = sentence
        self.section = section
        self.number = len(type(self).__members__)
